{{- /* Refuses values with which the Collector would not expose the service's metrics, or rules would read nothing. */}}
{{- define "ekiben.pushed" -}}
{{- $config := include "ekiben.config" . | fromYaml }}
{{- $metrics := ($config.otlp).metrics | default dict }}
{{- $own := toString $metrics.enabled }}
{{- if eq $own "false" }}
{{- fail "config.otlp.metrics.enabled: must not be false with monitor.kind collector, which exposes only pushed metrics" }}
{{- end }}
{{- if not (or $config.otlp.enabled (eq $own "true") $metrics.endpoint) }}
{{- fail (printf "config.otlp.enabled: must be true with monitor.kind collector, which exposes only pushed metrics, found %s" (toJson $config.otlp.enabled)) }}
{{- end }}
{{- include "ekiben.pushedTo" . }}
{{- if and .Values.rules.enabled (not .Values.rules.content) (eq (toString (($config.metrics).duration).native) "true") }}
{{- fail "config.metrics.duration.native: must be false with rules.enabled and monitor.kind collector, found true: the rules read boundaries, and native histograms are pushed instead of them; or set other rules in rules.content" }}
{{- end }}
{{- end }}

{{- /* Refuses metrics that are pushed to another endpoint than the Collector's. Accepted are longer names of its Service, OTLP's path
in otlp.metrics.endpoint, and HTTPS (also meant by no scheme) if a receiver has tls. Errors do not show user info. */}}
{{- define "ekiben.pushedTo" -}}
{{- $otlp := (include "ekiben.config" . | fromYaml).otlp }}
{{- $metrics := $otlp.metrics | default dict }}
{{- $key := empty $metrics.endpoint | ternary "otlp.endpoint" "otlp.metrics.endpoint" }}
{{- $found := regexReplaceAll "[^/]*@" ($metrics.endpoint | default $otlp.endpoint | toString) "" }}
{{- $plain := kindIs "bool" ($metrics.tls).insecure | ternary ($metrics.tls).insecure ($otlp.tls).insecure }}
{{- $url := contains "://" $found | ternary $found (printf "%s://%s" (empty $plain | ternary "https" "http") $found) }}
{{- $right := include "ekiben.receiver" (dict "root" . "protocol" ($metrics.protocol | default $otlp.protocol)) }}
{{- $parts := regexSplit "://|:" $right -1 }}
{{- $scheme := contains "tls:" (toYaml .Values.collector.config.receivers) | ternary "https?" "http" }}
{{- $path := empty $metrics.endpoint | ternary "/?" "(/v1/metrics)?/?" }}
{{- if not (regexMatch (printf "^%s://%s([.]%s([.]svc([.][^/:]+)?)?)?:%s%s$" $scheme (index $parts 1) .Release.Namespace (index $parts 2) $path) $url) }}
{{- fail (printf "config.%s: must be the Collector's, %s, with monitor.kind collector, which exposes only metrics that are pushed to it, found %s; collector.config can forward them" $key $right (toJson $found)) }}
{{- end }}
{{- end }}
