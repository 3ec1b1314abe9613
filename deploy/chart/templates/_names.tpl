{{/* Names are those of the guide, the same in every release: one release a namespace. */}}

{{/* Labels of an object. Takes a dict: root, name, component. */}}
{{- define "labels" -}}
app.kubernetes.io/name: {{ .name }}
app.kubernetes.io/component: {{ .component }}
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/part-of: travelbuddy
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name .root.Chart.Version }}
{{- end }}

{{/* Labels of a pod: without versions, or a new version of the chart alone would replace every pod. */}}
{{- define "podLabels" -}}
app.kubernetes.io/name: {{ .name }}
app.kubernetes.io/component: {{ .component }}
app.kubernetes.io/part-of: travelbuddy
{{- end }}

{{/* One image. Takes a dict: image, tag (what holds where the image has none of its own). */}}
{{- define "image" -}}
{{- $tag := .image.tag | default .tag -}}
{{ .image.repository }}:{{ $tag }}{{ with .image.digest }}@{{ . }}{{ end }}
{{- end }}

{{/* apiVersion of a workload's kind. */}}
{{- define "workloadVersion" -}}
{{ if eq . "Rollout" }}argoproj.io/v1alpha1{{ else }}apps/v1{{ end }}
{{- end }}
