{{/* Variables that tell the service where its database is: of the ConfigMap. Takes the root. */}}
{{- define "databaseVariables" -}}
{{- range $name, $key := include "databaseKeys" . | fromYaml }}
- name: {{ $name }}
  valueFrom:
    configMapKeyRef:
      name: flightspecials-configmap
      key: {{ $key }}
{{- end }}
{{ include "otherDatabaseVariables" . }}
{{- end }}

{{/* The same for the migrations, as values: they run before the ConfigMap is that of the release. Takes the root. */}}
{{- define "migrationVariables" -}}
{{- $config := include "config" . | fromYaml }}
{{- range $name, $key := include "databaseKeys" . | fromYaml }}
- name: {{ $name }}
  value: {{ get $config $key | quote }}
{{- end }}
{{ include "otherDatabaseVariables" . }}
{{- end }}

{{/* Which variable has which key of the ConfigMap: each profile has its own names. Takes the root. */}}
{{- define "databaseKeys" -}}
PROFILE: environment
{{- if eq .Values.environment "test" }}
DATABASE_ENDPOINT: database_endpoint
DATABASE_PORT: database_port
DATABASE_USERNAME: database_username
{{- else }}
DB_HOST: database_endpoint
DB_PORT: database_port
DB_USERNAME: database_username
{{- end }}
{{- end }}

{{/* The data of the ConfigMap. Takes the root. */}}
{{- define "config" -}}
environment: {{ .Values.environment }}
database_endpoint: {{ .Values.database.endpoint | quote }}
database_port: {{ .Values.database.port | quote }}
database_username: {{ .Values.database.username | quote }}
{{- end }}

{{- define "otherDatabaseVariables" -}}
- name: DB_DATABASE_NAME
  value: {{ .Values.database.name | quote }}
- name: DB_DEFAULT_SCHEMA
  value: {{ .Values.database.schema | quote }}
- name: DB_POOL_SIZE
  value: {{ .Values.database.poolSize | quote }}
{{- with .Values.database.sslmode }}
- name: DB_SSLMODE
  value: {{ . }}
{{- end }}
{{- if .Values.database.rootCertificates }}
- name: DB_SSLROOTCERT
  value: /etc/database-certificates/root.pem
{{- end }}
{{- if ne .Values.database.schemaAhead "warn" }}
- name: DB_SCHEMA_AHEAD
  value: {{ .Values.database.schemaAhead }}
{{- end }}
{{- if eq .Values.environment "test" }}
# botocore does not read AWS_REGION. On EKS a service account with a role brings this variable, and then this one stands.
- name: AWS_DEFAULT_REGION
  value: {{ .Values.aws.region }}
{{- end }}
{{- end }}

{{/*
Files for the connection to the database. The keys of the Secret are variables of the service, where the service looks for them; the
ConfigMap has the root certificates.
*/}}
{{- define "databaseVolumes" -}}
{{- with .Values.database.existingSecret }}
- name: secret
  secret:
    secretName: {{ . }}
    defaultMode: 0440
{{- end }}
{{- with .Values.database.rootCertificates }}
- name: database-certificates
  configMap:
    name: {{ . }}
{{- end }}
{{- end }}
{{- define "databaseMounts" -}}
{{- if .Values.database.existingSecret }}
- name: secret
  mountPath: /etc/secret
  readOnly: true
{{- end }}
{{- if .Values.database.rootCertificates }}
- name: database-certificates
  mountPath: /etc/database-certificates
  readOnly: true
{{- end }}
{{- end }}
