{{- /* Refuses values that the schema accepts and that Kubernetes or the service would refuse. Port 0 is legal for the service, but
probes cannot find it. All errors are reported together. */}}
{{- define "ekiben.legal" -}}
{{- $config := include "ekiben.config" . | fromYaml }}
{{- $wrong := compact (splitList "\n" (include "ekiben.legalNames" .)) }}
{{- $prefix := ($config.http).path_prefix }}
{{- if or (not (regexMatch "^(/[^/?#%{}*\\\\\\s]+)*$" ($prefix | default ""))) (regexMatch "/\\.{1,2}(/|$)" ($prefix | default "")) }}
{{- $wrong = append $wrong (printf "config.http.path_prefix: must be empty, or a path such as /ml: a slash first and none last, no empty, . or .. segment, no space and none of %% ? # { } * \\, found %s" (toJson $prefix)) }}
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
{{- $wrong = append $wrong "config.metrics.conventions: must list bentoml, http, gen_ai, rpc or several of them; to measure nothing, set metrics.enabled to false" }}
{{- end }}
{{- range kindIs "slice" $metrics.conventions | ternary $metrics.conventions (list $metrics.conventions | compact) }}
{{- if not (has . (list "bentoml" "http" "gen_ai" "rpc")) }}
{{- $wrong = append $wrong (printf "config.metrics.conventions: must list bentoml, http, gen_ai, rpc or several of them, found %s" (toJson .)) }}
{{- end }}
{{- end }}
{{- with include "ekiben.legalAdmin" . | trim }}
{{- $wrong = append $wrong . }}
{{- end }}
{{- with include "ekiben.endpoints" . | trim }}
{{- $wrong = append $wrong . }}
{{- end }}
{{- with $wrong }}
{{- fail (join "\n" .) }}
{{- end }}
{{- end }}

{{- /* A line for each illegal name. Releases can begin with a digit and contain dots, an alias of the chart can contain anything,
and the name of a Service and the values of labels cannot. */}}
{{- define "ekiben.legalNames" -}}
{{- $name := include "ekiben.name" . }}
{{- if not (regexMatch "^[a-z]([-a-z0-9]*[a-z0-9])?$" $name) }}
{{- printf "fullnameOverride: must be set, since the release %q makes the name %q: a Service's name must begin with a lowercase letter and have only lowercase letters, digits and hyphens\n" .Release.Name $name }}
{{- end }}
{{- $chart := include "ekiben.chart" . }}
{{- if or (gt (len $chart) 53) (not (regexMatch "^[a-zA-Z0-9]([-_.a-zA-Z0-9]*[a-zA-Z0-9])?$" $chart)) }}
{{- printf "nameOverride: must be set, since the chart's name %q is no value for a label: at most 53 letters, digits, hyphens, underscores and dots\n" $chart }}
{{- end }}
{{- end }}
