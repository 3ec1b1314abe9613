{{/* Each of these takes the root and gives a YAML list of sentences. */}}

{{- define "refusals.place" -}}
{{- $found := list -}}
{{- if has .Release.Namespace (list "" "default") -}}
{{- $found = append $found (printf "the namespace is %q: give the release its own, helm install flightspecials . --namespace flightspecials --create-namespace (in Argo CD: destination.namespace, with CreateNamespace=true)" .Release.Namespace) -}}
{{- end -}}
{{- with .Values.service.serviceAccount.roleArn -}}
{{- if not (regexMatch "^arn:aws[a-z-]*:iam::[0-9]{12}:role/[A-Za-z0-9+=,.@_/-]+$" .) -}}
{{- $found = append $found (printf "service.serviceAccount.roleArn is %q, which is no role: write arn:aws:iam::ACCOUNT:role/NAME, or leave it empty for the node's role" .) -}}
{{- end -}}
{{- end -}}
{{- if not (regexMatch "^[A-Za-z0-9._-]{0,64}$" .Values.buildNumber) -}}
{{- $found = append $found (printf "buildNumber is %q: the service takes at most 64 letters, digits, dots, dashes and underscores" .Values.buildNumber) -}}
{{- end -}}
{{- toYaml $found -}}
{{- end -}}

{{/* One image. Takes a dict: at (its place in the values), image, from (the variable of the build), needsTag. */}}
{{- define "refusals.image" -}}
{{- $found := list -}}
{{- $repository := .image.repository -}}
{{- $tag := .image.tag -}}
{{- if not $repository -}}
{{- $found = append $found (printf "%s.repository is empty: give the address of the image without its tag; the build takes it from %s" .at .from) -}}
{{- else if not (regexMatch "^[a-z0-9][a-z0-9.-]*(:[0-9]+)?(/[a-z0-9]+([._-]+[a-z0-9]+)*)*$" $repository) -}}
{{- $found = append $found (printf "%s.repository is %q, which is no address of an image: write it without https:// and without a tag, like 123456789012.dkr.ecr.ap-northeast-2.amazonaws.com/m2m-flightspecial" .at $repository) -}}
{{- end -}}
{{- if and .image.digest (not (regexMatch "^sha256:[0-9a-f]{64}$" .image.digest)) -}}
{{- $found = append $found (printf "%s.digest is %q, which is no digest: write sha256: and 64 hexadecimal digits, or leave it empty" .at .image.digest) -}}
{{- end -}}
{{- if and .needsTag (not $tag) -}}
{{- $found = append $found (printf "%s.tag is empty: give the tag that the build has pushed, like t1a2b3c; the build takes it from IMAGE_TAG" .at) -}}
{{- else if eq $tag "latest" -}}
{{- $found = append $found (printf "%s.tag is latest: a canary and the way back both need a tag that stays with its image, like t1a2b3c" .at) -}}
{{- else if and $tag (not (regexMatch "^[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}$" $tag)) -}}
{{- $found = append $found (printf "%s.tag is %q, which is no tag: it has letters, digits, underscores, dots and dashes only" .at $tag) -}}
{{- end -}}
{{- toYaml $found -}}
{{- end -}}

{{- define "refusals.images" -}}
{{- $found := list -}}
{{- $values := dict "image.repository" .Values.image.repository "image.tag" .Values.image.tag "buildNumber" .Values.buildNumber "database.endpoint" .Values.database.endpoint "database.port" (toString .Values.database.port) "database.username" .Values.database.username -}}
{{- range $at, $value := $values -}}
{{- if contains "${" $value -}}
{{- $found = append $found (printf "%s is %q: that is a place for a variable, so render the file first, envsubst < values-template.yaml > values.yaml" $at $value) -}}
{{- end -}}
{{- end -}}
{{- if not $found -}}
{{- $found = include "refusals.image" (dict "at" "image" "image" .Values.image "from" "ECR_REPO_URI" "needsTag" true) | fromYamlArray -}}
{{- /* The facade's address is made of the service's: where that is missing, it has been told already. */ -}}
{{- if and .Values.facade.enabled .Values.image.repository -}}
{{- $found = concat $found (include "refusals.image" (dict "at" "facade.image" "image" .Values.facade.image "from" "ECR_REPO_URI, with -facade behind it" "needsTag" false) | fromYamlArray) -}}
{{- end -}}
{{- end -}}
{{- toYaml $found -}}
{{- end -}}

{{- define "refusals.database" -}}
{{- $found := list -}}
{{- with .Values.database -}}
{{- $port := toString .port -}}
{{- if not .endpoint -}}
{{- $found = append $found "database.endpoint is empty: without a database no pod would get ready; the build takes it from DATABASE_ENDPOINT" -}}
{{- else if not (regexMatch "^([A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?|[0-9a-fA-F:]*:[0-9a-fA-F:.]+)$" .endpoint) -}}
{{- $found = append $found (printf "database.endpoint is %q: write the host alone, without a scheme, a port or a path" .endpoint) -}}
{{- else if regexMatch "^[^:]+:[0-9]+$" .endpoint -}}
{{- $found = append $found (printf "database.endpoint is %q: write the host alone, the port belongs to database.port" .endpoint) -}}
{{- end -}}
{{- if not $port -}}
{{- $found = append $found "database.port is empty: give the port of PostgreSQL, mostly 5432; the build takes it from DATABASE_PORT" -}}
{{- else if not (and (regexMatch "^[1-9][0-9]{0,4}$" $port) (le (int $port) 65535)) -}}
{{- $found = append $found (printf "database.port is %q: write a number from 1 to 65535" $port) -}}
{{- end -}}
{{- if and (not .username) (eq $.Values.environment "test") -}}
{{- $found = append $found "database.username is empty: with environment test it is the name of the secret in Secrets Manager, like flightspecial_db_credentials_test; the build takes it from DATABASE_USERNAME" -}}
{{- else if not .username -}}
{{- $found = append $found "database.username is empty: with environment local it is the user of PostgreSQL" -}}
{{- end -}}
{{- if and (not .existingSecret) (eq $.Values.environment "local") -}}
{{- $found = append $found "database.existingSecret is empty: with environment local the password comes from a Secret, kubectl create secret generic flightspecials-database --from-literal=DB_PASSWORD=..." -}}
{{- end -}}
{{- if and (hasPrefix "verify-" .sslmode) (not .rootCertificates) -}}
{{- $found = append $found (printf "database.rootCertificates is empty, but database.sslmode is %s: kubectl create configmap database-certificates --from-file=root.pem=FILE, and name it there" .sslmode) -}}
{{- end -}}
{{- if not (regexMatch "^[A-Za-z_][A-Za-z0-9_]{0,62}$" .schema) -}}
{{- $found = append $found (printf "database.schema is %q: write 1 to 63 letters, digits and underscores, with no digit in front" .schema) -}}
{{- end -}}
{{- if not (regexMatch "^[A-Za-z_][A-Za-z0-9_-]{0,62}$" .name) -}}
{{- $found = append $found (printf "database.name is %q, which is no name of a database: it was dso in the guide" .name) -}}
{{- end -}}
{{- end -}}
{{- toYaml $found -}}
{{- end -}}

{{- define "refusals.scale" -}}
{{- $found := list -}}
{{- range $at, $own := dict "service" .Values.service "facade" .Values.facade -}}
{{- with $own.autoscaling -}}
{{- if gt (int .minReplicas) (int .maxReplicas) -}}
{{- $found = append $found (printf "%s.autoscaling.minReplicas is %d, more than maxReplicas, which is %d: exchange them" $at (int .minReplicas) (int .maxReplicas)) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- $own := .Values.service -}}
{{- $replicas := int (ternary $own.autoscaling.maxReplicas $own.replicas $own.autoscaling.enabled) -}}
{{- /* maxSurge is 50 %, rounded up; and the Job of the migrations has one connection, and people need some. */ -}}
{{- $pods := add $replicas (div (add $replicas 1) 2) -}}
{{- $needed := add (mul $pods (add1 (int .Values.database.poolSize))) 4 -}}
{{- if gt $needed (int64 .Values.database.maxConnections) -}}
{{- $found = append $found (printf "database.maxConnections is %d, but %d pods (a canary's among them) with %d connections each, and 4 for migrations and for people, make %d: lower database.poolSize or the replicas, or raise max_connections of the database and then this value" (int .Values.database.maxConnections) $pods (add1 (int .Values.database.poolSize)) $needed) -}}
{{- end -}}
{{- toYaml $found -}}
{{- end -}}

{{- define "refusals.facade" -}}
{{- $found := list -}}
{{- if .Values.facade.enabled -}}
{{- $table := .Values.facade.routes | default (.Files.Get "routes.yaml") | fromYaml -}}
{{- if not (and (kindIs "map" $table) (get $table "routes")) -}}
{{- $found = append $found "facade.routes is no route table: it needs version, backends and routes; `facade check FILE` tells each thing that is wrong" -}}
{{- else -}}
{{- range $name, $url := .Values.facade.backends -}}
{{- if not (hasKey (get $table "backends" | default dict) $name) -}}
{{- $found = append $found (printf "facade.backends names %q, which is no backend of the route table: it has %s" $name (keys (get $table "backends" | default dict) | sortAlpha | join ", ")) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- else if .Values.facade.ingress.enabled -}}
{{- $found = append $found "facade.ingress.enabled is true, but facade.enabled is false: nobody would answer for /travelbuddy" -}}
{{- end -}}
{{- if and .Values.facade.enabled .Values.facade.rollout.route (not .Values.facade.admin.existingSecret) -}}
{{- $found = append $found "facade.rollout.route is set, but facade.admin.existingSecret is empty, so that nobody can ask the facade for its figures: kubectl create secret generic facade-admin --from-literal=token=$(openssl rand -hex 32), and name it there" -}}
{{- end -}}
{{- with .Values.facade.ingress.groupOrder -}}
{{- if ge (int .) 1 -}}
{{- $found = append $found (printf "facade.ingress.groupOrder is %s, but TravelBuddy's own Ingress has 1 and would go first: leave it empty, which is 0" .) -}}
{{- end -}}
{{- end -}}
{{- toYaml $found -}}
{{- end -}}

{{- define "refusals.watching" -}}
{{- $found := list -}}
{{- if and .Values.serviceMonitor.enabled .Values.facade.enabled (not .Values.facade.admin.existingSecret) -}}
{{- $found = append $found "serviceMonitor.enabled is true, but facade.admin.existingSecret is empty, so that nobody can ask the facade for metrics: kubectl create secret generic facade-admin --from-literal=token=$(openssl rand -hex 32), and name it there" -}}
{{- end -}}
{{- if .Values.analysis.enabled -}}
{{- if ne .Values.service.kind "Rollout" -}}
{{- $found = append $found (printf "analysis.enabled is true, but service.kind is %s: only a Rollout has a canary to judge" .Values.service.kind) -}}
{{- end -}}
{{- if not .Values.serviceMonitor.enabled -}}
{{- $found = append $found "analysis.enabled is true, but serviceMonitor.enabled is false: without its metrics a canary cannot be judged" -}}
{{- end -}}
{{- if not (regexMatch "^https?://[^/ ]+" .Values.analysis.prometheusAddress) -}}
{{- $found = append $found (printf "analysis.prometheusAddress is %q: write where Prometheus is, like http://prometheus-operated.monitoring:9090" .Values.analysis.prometheusAddress) -}}
{{- end -}}
{{- end -}}
{{- toYaml $found -}}
{{- end -}}
