{{- /* The configuration: the values, over defaults that the chart needs. A null value does not remove such a default. */}}
{{- define "ekiben.config" -}}
{{- $below := dict "http" (dict "port" 3000) "shutdown" (dict "delay" 0 "idle" 5 "grace" 30) "logging" (dict "format" "json") }}
{{- if .Values.collector.enabled }}
{{- $_ := set $below "otlp" (dict "enabled" true "endpoint" (include "ekiben.receiver" (dict "root" . "protocol" (.Values.config.otlp).protocol))) }}
{{- end }}
{{- $config := deepCopy .Values.config }}
{{- range $name, $keys := $below }}
{{- $section := get $config $name | default dict }}
{{- range $key, $value := $keys }}
{{- if kindIs "invalid" (index $section $key) }}
{{- $_ := set $section $key $value }}
{{- end }}
{{- end }}
{{- $_ := set $config $name $section }}
{{- end }}
{{- if and .Values.collector.enabled (eq (toString $config.otlp.endpoint) (get $below.otlp "endpoint")) }}
{{- range $signal := list "metrics" "traces" }}
{{- $own := get $config.otlp $signal | default dict }}
{{- if and $own.protocol (not $own.endpoint) }}
{{- $_ := set $own "endpoint" (include "ekiben.receiver" (dict "root" $ "protocol" $own.protocol)) }}
{{- end }}
{{- end }}
{{- end }}
{{- toYaml $config }}
{{- end }}

{{- /* The Collector's endpoint for a protocol. */}}
{{- define "ekiben.receiver" -}}
http://{{ include "ekiben.name" .root }}-collector:{{ if eq (toString .protocol) "grpc" }}4317{{ else }}4318{{ end }}
{{- end }}

{{- define "ekiben.port" -}}
{{ ((include "ekiben.config" . | fromYaml).http).port | int }}
{{- end }}

{{- define "ekiben.prefix" -}}
{{ ((include "ekiben.config" . | fromYaml).http).path_prefix | default "" }}
{{- end }}

{{- define "ekiben.scheme" -}}
{{ if ((include "ekiben.config" . | fromYaml).ssl).enabled }}HTTPS{{ else }}HTTP{{ end }}
{{- end }}

{{- /* metrics.namespace with illegal characters replaced, as the service does. */}}
{{- define "ekiben.namespace" -}}
{{ regexReplaceAll "[^a-zA-Z0-9_:]" (((include "ekiben.config" . | fromYaml).metrics).namespace | default "bentoml_service" | toString) "_" }}
{{- end }}

{{- /* A probe of the kubelet: a path and the values for it. */}}
{{- define "ekiben.probe" -}}
{{- $get := dict "path" (print (include "ekiben.prefix" .root) .path) "port" "http" "scheme" (include "ekiben.scheme" .root) }}
{{- if eq (include "ekiben.probed" .root) "admin" }}
{{- $get = dict "path" .path "port" "admin" "scheme" "HTTP" }}
{{- end }}
{{- toYaml (merge (dict "httpGet" $get) .probe) }}
{{- end }}

{{- /* A key of config.shutdown in seconds, rounded up. It is a number or a duration of Go, such as 90s or 1m30s. */}}
{{- define "ekiben.seconds" -}}
{{- $value := index . 1 }}
{{- $text := toString $value }}
{{- $form := "^[-+]?(0|(([0-9]+[.]?[0-9]*|[.][0-9]+)(ns|us|µs|μs|ms|s|m|h))+)$" }}
{{- $units := dict "ns" 0.000000001 "us" 0.000001 "µs" 0.000001 "μs" 0.000001 "ms" 0.001 "s" 1.0 "m" 60.0 "h" 3600.0 }}
{{- $sum := 0.0 }}
{{- if kindIs "float64" $value }}
{{- $sum = $value }}
{{- else if regexMatch $form $text }}
{{- range regexFindAll "[0-9.]+(ns|us|µs|μs|ms|s|m|h)" $text -1 }}
{{- $sum = addf $sum (mulf (regexFind "^[0-9.]+" . | float64) (get $units (regexFind "[^0-9.]+$" .))) }}
{{- end }}
{{- if hasPrefix "-" $text }}
{{- $sum = subf 0.0 $sum }}
{{- end }}
{{- end }}
{{- $long := or (ge $sum 9223372036.854775) (le $sum -9223372036.854775) }}
{{- if or $long (not (or (kindIs "float64" $value) (regexMatch $form $text))) }}
{{- $within := and $long (kindIs "float64" $value) | ternary " within 292 years" "" }}
{{- fail (printf "config.shutdown.%s: must be a number of seconds or a duration such as 1.5s%s, found %s" (index . 0) $within (toJson $value)) }}
{{- end }}
{{- if lt $sum 0.0 }}
{{- fail (printf "config.shutdown.%s: must be 0 or more, found %s" (index . 0) (toJson $value)) }}
{{- end }}
{{- ceil $sum | int64 }}
{{- end }}

{{- /* The grace period of the pod: preStop, all phases of shutdown, and five seconds more. */}}
{{- define "ekiben.termination" -}}
{{- $given := add .Values.preStop 5 }}
{{- range $key, $value := pick (include "ekiben.config" . | fromYaml).shutdown "delay" "idle" "grace" }}
{{- $given = add $given (include "ekiben.seconds" (list $key $value)) }}
{{- end }}
{{- $given }}
{{- end }}

{{- /* The configuration without keys that a running server reloads. A change of the other keys needs new pods. */}}
{{- define "ekiben.fixed" -}}
{{- $config := omit (include "ekiben.config" . | fromYaml) "traffic" "batching" "workers" "services" "shutdown" "slow" }}
{{- range $key, $reloaded := dict "files" (list "memory" "max_files" "max_pixels") "http" (list "max_body_size" "max_bodies" "max_overdue" "auth") "runner_probe" (list "timeout") "metrics" (list "client_closed") "logging" (list "level" "access") "tracing" (list "sample_rate") }}
{{- $section := get $config $key | default dict }}
{{- range $reloaded }}
{{- $section = unset $section . }}
{{- end }}
{{- $config = unset $config $key }}
{{- if $section }}
{{- $config = set $config $key $section }}
{{- end }}
{{- end }}
{{- toYaml $config }}
{{- end }}

{{- /* Whether a duration with objectives (slo) has the boundary 1 second, which the rules read. */}}
{{- define "ekiben.second" -}}
{{- $d := .duration }}
{{- $bounds := concat (.slo | default list) ($d.buckets | default list) }}
{{- if and $d.min $d.max $d.factor }}
{{- $bound := float64 $d.min }}
{{- range until 99 }}
{{- if lt $bound 1.0 }}
{{- $bound = mulf $bound $d.factor }}
{{- end }}
{{- end }}
{{- $bounds = concat $bounds (list $d.max (ternary $bound 0.0 (lt $bound (float64 $d.max)))) }}
{{- end }}
{{- $found := not (or $d.buckets $d.min $d.max $d.factor) }}
{{- range $bounds }}
{{- $found = or $found (eq (float64 .) 1.0) }}
{{- end }}
{{- $found }}
{{- end }}

{{- /* Refuses values with which pods would never become ready, autoscaling would not work, or rules would read nothing. */}}
{{- define "ekiben.check" -}}
{{- $config := include "ekiben.config" . | fromYaml }}
{{- if and .Chart.IsRoot (hasKey .Values "enabled") }}
{{- fail "enabled: is only for a chart that has this one as a dependency" }}
{{- end }}
{{- range $label, $_ := include "ekiben.selector" . | fromYaml }}
{{- if hasKey $.Values.podLabels $label }}
{{- fail (printf "podLabels: must not have %s, by which the chart selects pods, found %q" $label (get $.Values.podLabels $label)) }}
{{- end }}
{{- end }}
{{- if hasKey $config "version" }}
{{- fail "config: must be a configuration of Ekiben's own, found BentoML's (version); `ekiben check` prints the values that Ekiben reads from it" }}
{{- end }}
{{- include "ekiben.legal" . }}
{{- $host := toString (($config.http).host | default "") }}
{{- if eq (include "ekiben.loopback" $host) "true" }}
{{- fail (printf "config.http.host: must be an address that the kubelet's probes reach, such as 0.0.0.0, found %q" $host) }}
{{- end }}
{{- if and ($config.ssl).enabled (eq (($config.ssl).cert_reqs | default 0 | int) 2) (eq (include "ekiben.probed" .) "http") }}
{{- fail "config.ssl.cert_reqs: must be 0 or 1, found 2: the kubelet's probes show no certificate, unless they use the admin door (docs/kubernetes.md)" }}
{{- end }}
{{- if and (eq (toString ($config.metrics).enabled) "false") (or .Values.monitor.kind .Values.autoscaling.by) }}
{{- fail "monitor.kind, autoscaling.by: needs config.metrics.enabled, which is false" }}
{{- end }}
{{- if and (eq (toString ($config.metrics).public) "false") (has .Values.monitor.kind (list "pod" "service")) (eq (include "ekiben.scraped" .) "http") }}
{{- fail (printf "monitor.kind: %s scrapes the public port, and config.metrics.public is false; to scrape the admin door, set config.admin.enabled, and config.admin.host to 0.0.0.0" .Values.monitor.kind) }}
{{- end }}
{{- if and (eq .Values.monitor.kind "service") (eq (include "ekiben.scraped" .) "admin") (ne .Values.service.type "ClusterIP") }}
{{- fail (printf "monitor.kind: must be pod with service.type %s, found service: strangers reach that Service, so the chart does not put the admin door into it" .Values.service.type) }}
{{- end }}
{{- $conventions := ($config.metrics).conventions | default (list "bentoml") }}
{{- if kindIs "string" $conventions }}
{{- $conventions = list $conventions }}
{{- end }}
{{- if and .Values.autoscaling.by (not (has "bentoml" $conventions)) }}
{{- fail "autoscaling.by: needs request_in_progress, which config.metrics.conventions leaves out: it must hold bentoml" }}
{{- end }}
{{- if and .Values.rules.enabled (eq (toString ($config.metrics).enabled) "false") }}
{{- fail "rules.enabled: needs config.metrics.enabled, which is false" }}
{{- end }}
{{- if and .Values.rules.enabled (not .Values.rules.content) (not (has "bentoml" $conventions)) }}
{{- fail (printf "rules.enabled: needs BentoML's names, which config.metrics.conventions leaves out: it must hold bentoml, found %s" (toJson $conventions)) }}
{{- end }}
{{- if and .Values.autoscaling.by (lt (int .Values.autoscaling.min) 1) }}
{{- fail (printf "autoscaling.min: must be 1 or more, found %v: without a pod no request is in progress, so no pod would ever start" .Values.autoscaling.min) }}
{{- end }}
{{- if and .Values.autoscaling.by (gt (int .Values.autoscaling.min) (int .Values.autoscaling.max)) }}
{{- fail (printf "autoscaling.min: must be at most autoscaling.max (%v), found %v" .Values.autoscaling.max .Values.autoscaling.min) }}
{{- end }}
{{- $most := ($config.traffic).max_concurrency | default 0 }}
{{- if and .Values.autoscaling.by (gt (float64 $most) 0.0) (le (float64 $most) (float64 .Values.autoscaling.inProgress)) }}
{{- fail (printf "config.traffic.max_concurrency: must be greater than autoscaling.inProgress (%v), or pods refuse requests before more pods start, found %v" .Values.autoscaling.inProgress $most) }}
{{- end }}
{{- if and .Values.rules.enabled (not .Values.rules.content) }}
{{- $metrics := $config.metrics | default dict }}
{{- $general := $metrics.duration | default dict }}
{{- range $route, $own := merge (dict "" dict) ($metrics.endpoints | default dict) }}
{{- $own = $own | default dict }}
{{- $duration := $own.duration | default dict }}
{{- if not (or $duration.buckets $duration.min $duration.max $duration.factor) }}
{{- $duration = $general }}
{{- end }}
{{- if ne (include "ekiben.second" (dict "duration" $duration "slo" (kindIs "slice" $own.slo | ternary $own.slo $metrics.slo))) "true" }}
{{- fail (printf "config.metrics%s: must have the boundary 1 of the chart's rules, which slo: [1] adds, found duration %s; or set other rules in rules.content" (ternary (print ".endpoints." $route) "" (ne $route "")) (toJson (pick $duration "buckets" "min" "max" "factor"))) }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}
