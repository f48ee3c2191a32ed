{{- /* What the service would refuse at start, of what the chart follows and the schema lets pass, in its words. Port 0, which it takes, no probe
finds. */}}
{{- define "ekiben.legal" -}}
{{- $config := include "ekiben.config" . | fromYaml }}
{{- $wrong := list }}
{{- $prefix := ($config.http).path_prefix }}
{{- if not (regexMatch "^(/[^/?#% \t\n]+)*$" ($prefix | default "")) }}
{{- $wrong = append $wrong (printf "config.http.path_prefix: must be empty, or begin with a slash and not end with one, such as /ml, found %s" (toJson $prefix)) }}
{{- end }}
{{- $port := $config.http.port }}
{{- if or (lt $port 1.0) (gt $port 65535.0) }}
{{- $wrong = append $wrong (printf "config.http.port: must be between 1 and 65535, so that probes can find it, found %s" (toJson $port)) }}
{{- end }}
{{- $namespace := ($config.metrics).namespace }}
{{- if not (regexMatch "^[a-zA-Z](_?[a-zA-Z0-9:])*$" (include "ekiben.namespace" .)) }}
{{- $wrong = append $wrong (printf "config.metrics.namespace: must begin with a letter and hold letters, digits, colons and single underscores, found %s" (toJson $namespace)) }}
{{- end }}
{{- $metrics := $config.metrics | default dict }}
{{- if and (hasKey $metrics "conventions") (has $metrics.conventions (list nil list)) (ne (toString $metrics.enabled) "false") }}
{{- $wrong = append $wrong "config.metrics.conventions: must have one at least: bentoml, http; to measure nothing set metrics.enabled to false" }}
{{- end }}
{{- range kindIs "slice" $metrics.conventions | ternary $metrics.conventions (list $metrics.conventions | compact) }}
{{- if not (has . (list "bentoml" "http")) }}
{{- $wrong = append $wrong (printf "config.metrics.conventions: must be of bentoml, http, found %s" (toJson .)) }}
{{- end }}
{{- end }}
{{- with include "ekiben.endpoints" . | trim }}
{{- $wrong = append $wrong . }}
{{- end }}
{{- with $wrong }}
{{- fail (join "\n" .) }}
{{- end }}
{{- end }}
