{{- /* The name of every object, at most 46 characters long. Then a pod's name has room for it, the ReplicaSet's hash and a suffix. */}}
{{- define "ekiben.name" -}}
{{- $chart := include "ekiben.chart" . }}
{{- $name := contains $chart .Release.Name | ternary .Release.Name (printf "%s-%s" .Release.Name $chart) }}
{{- .Values.fullnameOverride | default $name | trunc 46 | trimAll "-" }}
{{- end }}

{{- define "ekiben.chart" -}}
{{ .Values.nameOverride | default .Chart.Name }}
{{- end }}

{{- define "ekiben.selector" -}}
app.kubernetes.io/name: {{ include "ekiben.chart" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "ekiben.labels" -}}
{{ include "ekiben.selector" . }}
{{ include "ekiben.origin" . }}
{{- end }}

{{- define "ekiben.collector.selector" -}}
app.kubernetes.io/name: {{ include "ekiben.chart" . }}-collector
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "ekiben.collector.labels" -}}
{{ include "ekiben.collector.selector" . }}
{{ include "ekiben.origin" . }}
{{- end }}

{{- define "ekiben.origin" -}}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- end }}

{{- /* The security context of each container: no privileges, no writable root. */}}
{{- define "ekiben.confined" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: {drop: [ALL]}
{{- end }}

{{- /* The service account of the pods. "": the default account of the Kubernetes namespace. */}}
{{- define "ekiben.account" -}}
{{ .Values.serviceAccount.name | default (.Values.serviceAccount.create | ternary (include "ekiben.name" .) "") }}
{{- end }}

{{/* Whether the chart mounts a folder for temporary files: not if the values mount one. */}}
{{- define "ekiben.temporary" -}}
{{- $own := true -}}
{{- range .Values.volumeMounts }}{{ if eq (trimSuffix "/" .mountPath) "/tmp" }}{{ $own = false }}{{ end }}{{ end -}}
{{- $own -}}
{{- end }}
