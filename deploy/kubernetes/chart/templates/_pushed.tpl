{{- /* What would leave the Collector's page without the service's metrics, or its rules without what they read. */}}
{{- define "ekiben.pushed" -}}
{{- $config := include "ekiben.config" . | fromYaml }}
{{- $metrics := ($config.otlp).metrics | default dict }}
{{- $own := toString $metrics.enabled }}
{{- if eq $own "false" }}
{{- fail "config.otlp.metrics.enabled: must not be false with monitor.kind collector, whose page has what is pushed" }}
{{- end }}
{{- if not (or $config.otlp.enabled (eq $own "true") $metrics.endpoint) }}
{{- fail (printf "config.otlp.enabled: must be true with monitor.kind collector, whose page has what is pushed, found %s" (toJson $config.otlp.enabled)) }}
{{- end }}
{{- if and .Values.rules.enabled (not .Values.rules.content) (eq (toString (($config.metrics).duration).native) "true") }}
{{- fail "config.metrics.duration.native: must be false with rules.enabled and monitor.kind collector, found true: the rules read boundaries, in whose place native histograms are pushed; or give others in rules.content" }}
{{- end }}
{{- end }}
