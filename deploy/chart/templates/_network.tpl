{{/* Names are asked of any resolver: node-local caches are not pods. */}}
{{- define "toResolvers" -}}
- ports:
    - {port: 53, protocol: UDP}
    - {port: 53, protocol: TCP}
{{- end }}

{{/* The database, and with the profile test what AWS has. Takes the root. */}}
{{- define "toDatabase" -}}
{{ include "toResolvers" . }}
- ports:
    - {port: {{ .Values.database.port }}, protocol: TCP}
  {{- with .Values.networkPolicy.databaseTo }}
  to: {{- toYaml . | nindent 4 }}
  {{- end }}
{{- if eq .Values.environment "test" }}
# Secrets Manager, Parameter Store and STS are spoken to over https ...
- ports:
    - {port: 443, protocol: TCP}
# ... and who we are is asked of the node, or of the Pod Identity agent.
- ports:
    - {port: 80, protocol: TCP}
  to:
    - ipBlock: {cidr: 169.254.169.254/32}
    - ipBlock: {cidr: 169.254.170.23/32}
{{- end }}
{{- end }}
