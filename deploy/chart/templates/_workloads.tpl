{{/*
How many, how they are found, and how one version follows another. Takes a dict: root, name, own (the values of the program),
analysis (whether a canary is judged).
*/}}
{{- define "workload" -}}
{{- if not .own.autoscaling.enabled }}
replicas: {{ .own.replicas }}
{{- end }}
revisionHistoryLimit: 2
minReadySeconds: 5
progressDeadlineSeconds: 600
selector:
  matchLabels:
    app.kubernetes.io/name: {{ .name }}
{{- if eq .own.kind "Rollout" }}
# A canary that does not come up in time is taken back.
progressDeadlineAbort: true
strategy:
  canary:
    maxSurge: 50%
    maxUnavailable: 0
    {{- if .analysis }}
    analysis:
      templates:
        - templateName: {{ .name }}-canary
      # From the first pause on.
      startingStep: 1
      args:
        - name: canary-hash
          valueFrom:
            podTemplateHashValue: Latest
    {{- end }}
    # On to the next step at once: kubectl argo rollouts promote {{ .name }}
    # Back to the version before: kubectl argo rollouts abort {{ .name }}
    steps:
      - setWeight: 20
      - pause: {duration: 30s}
      - setWeight: 40
      - pause: {duration: 30s}
      - setWeight: 60
      - pause: {duration: 30s}
      - setWeight: 80
      - pause: {duration: 20s}
{{- else }}
strategy:
  type: RollingUpdate
  rollingUpdate:
    maxSurge: 50%
    maxUnavailable: 0
{{- end }}
{{- end }}

{{/* The autoscaler of a workload. Takes a dict: root, name, component, own. */}}
{{- define "autoscaler" -}}
{{- if .own.autoscaling.enabled }}
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata:
  name: {{ .name }}
  namespace: {{ .root.Release.Namespace }}
  labels: {{- include "labels" . | nindent 4 }}
spec:
  scaleTargetRef:
    apiVersion: {{ include "workloadVersion" .own.kind }}
    kind: {{ .own.kind }}
    name: {{ .name }}
  minReplicas: {{ .own.autoscaling.minReplicas }}
  maxReplicas: {{ .own.autoscaling.maxReplicas }}
  metrics:
    - type: Resource
      resource:
        name: cpu
        target:
          type: Utilization
          averageUtilization: {{ .own.autoscaling.targetCPUUtilizationPercentage }}
{{- end }}
{{- end }}

{{/* The disruption budget of a workload. Takes the same. */}}
{{- define "disruptionBudget" -}}
{{- if .own.disruptionBudget.enabled }}
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata:
  name: {{ .name }}
  namespace: {{ .root.Release.Namespace }}
  labels: {{- include "labels" . | nindent 4 }}
spec:
  # Not minAvailable: with one replica that would keep its node from ever being drained.
  maxUnavailable: {{ .own.disruptionBudget.maxUnavailable }}
  unhealthyPodEvictionPolicy: AlwaysAllow
  selector:
    matchLabels:
      app.kubernetes.io/name: {{ .name }}
{{- end }}
{{- end }}
