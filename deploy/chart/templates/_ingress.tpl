{{/*
A rule of the load balancer that is shared with TravelBuddy. Takes a dict: root, name, component, ingress (the name), service, path,
healthCheckPath, groupOrder, drainSeconds.
*/}}
{{- define "ingress" -}}
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata:
  name: {{ .ingress }}
  namespace: {{ .root.Release.Namespace }}
  labels: {{- include "labels" . | nindent 4 }}
  annotations:
    alb.ingress.kubernetes.io/scheme: {{ .root.Values.ingress.scheme }}
    alb.ingress.kubernetes.io/target-type: {{ .root.Values.ingress.targetType }}
    alb.ingress.kubernetes.io/group.name: {{ .root.Values.ingress.groupName }}
    {{- with .groupOrder }}
    alb.ingress.kubernetes.io/group.order: {{ . | quote }}
    {{- end }}
    alb.ingress.kubernetes.io/healthcheck-path: {{ .healthCheckPath }}
    # A pod that stops still answers for as long.
    alb.ingress.kubernetes.io/target-group-attributes: deregistration_delay.timeout_seconds={{ .drainSeconds }}
    {{- with .root.Values.ingress.annotations }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
spec:
  ingressClassName: {{ .root.Values.ingress.className }}
  rules:
    - http:
        paths:
          - path: {{ .path }}
            pathType: Prefix
            backend:
              service:
                name: {{ .service }}
                port:
                  name: http
{{- end }}
