{{- /* What the service would refuse at start, of what the chart follows, in its words. Port 0, which it takes, no probe finds. */}}
{{- define "ekiben.legal" -}}
{{- $config := include "ekiben.config" . | fromYaml }}
{{- $wrong := list }}
{{- $prefix := ($config.http).path_prefix }}
{{- if not (or (kindIs "invalid" $prefix) (kindIs "string" $prefix)) }}
{{- $wrong = append $wrong (printf "config.http.path_prefix: must be a text, found %s" (toJson $prefix)) }}
{{- else if not (regexMatch "^(/[^/?#% \t\n]+)*$" ($prefix | default "")) }}
{{- $wrong = append $wrong (printf "config.http.path_prefix: must be empty, or begin with a slash and not end with one, such as /ml, found %s" (toJson $prefix)) }}
{{- end }}
{{- $port := $config.http.port }}
{{- if not (kindIs "float64" $port | ternary (eq (toString $port) (toString (floor $port))) false) }}
{{- $wrong = append $wrong (printf "config.http.port: must be a whole number, found %s" (toJson $port)) }}
{{- else if or (lt $port 1.0) (gt $port 65535.0) }}
{{- $wrong = append $wrong (printf "config.http.port: must be between 1 and 65535, so that probes can find it, found %s" (toJson $port)) }}
{{- end }}
{{- $namespace := ($config.metrics).namespace }}
{{- if not (or (kindIs "invalid" $namespace) (kindIs "string" $namespace)) }}
{{- $wrong = append $wrong (printf "config.metrics.namespace: must be a text, found %s" (toJson $namespace)) }}
{{- else if not (regexMatch "^[a-zA-Z](_?[a-zA-Z0-9])*$" (include "ekiben.namespace" .)) }}
{{- $wrong = append $wrong (printf "config.metrics.namespace: must begin with a letter and hold letters, digits and single underscores, found %s" (toJson $namespace)) }}
{{- end }}
{{- $metrics := $config.metrics | default dict }}
{{- if and (hasKey $metrics "conventions") (has $metrics.conventions (list nil list)) (ne (toString $metrics.enabled) "false") }}
{{- $wrong = append $wrong "config.metrics.conventions: must have one at least: bentoml, http; to measure nothing set metrics.enabled to false" }}
{{- end }}
{{- with include "ekiben.kinds" . | trim }}
{{- $wrong = append $wrong . }}
{{- end }}
{{- with $wrong }}
{{- fail (join "\n" .) }}
{{- end }}
{{- end }}
