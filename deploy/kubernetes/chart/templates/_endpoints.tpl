{{- /* A line for each endpoint that is not a URL; the schema accepts any string. The endpoint is not shown, since it may have a password. */}}
{{- define "ekiben.endpoints" -}}
{{- $otlp := (include "ekiben.config" . | fromYaml).otlp | default dict }}
{{- range $key, $value := dict "otlp" $otlp.endpoint "otlp.metrics" ($otlp.metrics).endpoint "otlp.traces" ($otlp.traces).endpoint }}
{{- $url := contains "://" ($value | default "") | ternary $value (print "http://" $value) }}
{{- if and $value (not (regexMatch `^(?i:https?)://([^/?#\s]*@)?([^/?#\s@:]+(:[0-9]*)?|\[[^/?#\s@]+\](:[0-9]*)?|:[0-9]*)([/?#]\S*)?$` $url)) }}
{{- printf "config.%s.endpoint: must be a URL such as http://localhost:4318, or host:port for grpc\n" $key }}
{{- end }}
{{- end }}
{{- end }}
