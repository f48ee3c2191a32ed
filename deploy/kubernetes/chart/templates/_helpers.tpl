{{- /* At most 46 characters: a pod's name then holds all of it, its ReplicaSet's hash and its own suffix. */}}
{{- define "ekiben.name" -}}
{{- $chart := include "ekiben.chart" . }}
{{- $name := contains $chart .Release.Name | ternary .Release.Name (printf "%s-%s" .Release.Name $chart) }}
{{- .Values.fullnameOverride | default $name | trunc 46 | trimSuffix "-" }}
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

{{- /* A container that may do nothing but compute. */}}
{{- define "ekiben.confined" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: {drop: [ALL]}
{{- end }}

{{- /* The account of the service's pods: "" is the namespace's default. */}}
{{- define "ekiben.account" -}}
{{ .Values.serviceAccount.name | default (.Values.serviceAccount.create | ternary (include "ekiben.name" .) "") }}
{{- end }}
