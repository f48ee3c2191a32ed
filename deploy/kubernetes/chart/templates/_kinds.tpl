{{- /* A line for each key that the chart follows and whose value is of another kind, or another word, than the service takes. */}}
{{- define "ekiben.kinds" -}}
{{- $config := include "ekiben.config" . | fromYaml }}
{{- $kinds := dict "http.host" "text" "metrics.conventions" "conventions" "ssl.cert_reqs" "whole" "traffic.max_concurrency" "whole" "otlp.protocol" "protocol" "otlp.metrics.protocol" "own protocol" "otlp.traces.protocol" "own protocol" }}
{{- range list "metrics.duration.native" "metrics.enabled" "otlp.enabled" "otlp.metrics.enabled" "otlp.metrics.tls.insecure" "otlp.tls.insecure" "otlp.traces.enabled" "ssl.enabled" }}
{{- $_ := set $kinds . "flag" }}
{{- end }}
{{- range list "otlp.endpoint" "otlp.metrics.endpoint" "otlp.traces.endpoint" }}
{{- $_ := set $kinds . "endpoint" }}
{{- end }}
{{- range $key, $kind := $kinds }}
{{- $value := $config }}
{{- range splitList "." $key }}
{{- $value = index (kindIs "map" $value | ternary $value dict) . }}
{{- end }}
{{- if not (kindIs "invalid" $value) }}
{{- with include "ekiben.kind" (dict "kind" $kind "value" $value) }}
{{- printf "config.%s: %s\n" $key . }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}

{{- /* What is wrong with a value of a kind, in the service's words, or nothing. An endpoint, which may hold a password, is not shown. */}}
{{- define "ekiben.kind" -}}
{{- $value := .value }}
{{- $right := "" }}
{{- if eq .kind "flag" }}
{{- $right = kindIs "bool" $value | ternary "" "true or false" }}
{{- else if eq .kind "whole" }}
{{- $right = kindIs "float64" $value | ternary (toString $value) "" | eq (toString (floor $value)) | ternary "" "a whole number" }}
{{- else if eq .kind "conventions" }}
{{- $names := kindIs "slice" $value | ternary $value (list $value) }}
{{- range $names }}
{{- $right = has . (list "bentoml" "http") | ternary $right "of bentoml, http" }}
{{- end }}
{{- else if and (eq .kind "endpoint") (not (kindIs "string" $value)) }}must be a URL in quotes
{{- else if not (kindIs "string" $value) }}
{{- $right = "a text" }}
{{- else if eq .kind "endpoint" }}
{{- $url := contains "://" $value | ternary $value (print "http://" $value) }}
{{- if and $value (not (regexMatch `^(?i:https?)://([^/?#\s]*@)?([^/?#\s@:]+(:[0-9]*)?|\[[^/?#\s@]+\](:[0-9]*)?|:[0-9]*)([/?#]\S*)?$` $url)) }}must be a URL such as http://localhost:4318, or host:port for grpc{{ end }}
{{- else if eq .kind "protocol" }}
{{- $right = has $value (list "http/protobuf" "grpc") | ternary "" "http/protobuf or grpc" }}
{{- else if eq .kind "own protocol" }}
{{- $right = has $value (list "" "http/protobuf" "grpc") | ternary "" "empty, http/protobuf or grpc" }}
{{- end }}
{{- with $right }}must be {{ . }}, found {{ toJson $value }}{{ end }}
{{- end }}
