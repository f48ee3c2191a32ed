{{- /* The port of the admin door, if other pods and the kubelet reach it; else nothing. */}}
{{- define "ekiben.adminPort" -}}
{{- $admin := (include "ekiben.config" . | fromYaml).admin | default dict }}
{{- $host := kindIs "invalid" $admin.host | ternary "127.0.0.1" (toString $admin.host) }}
{{- if and $admin.enabled (ne (include "ekiben.loopback" $host) "true") }}
{{- kindIs "invalid" $admin.port | ternary 3001 $admin.port | int }}
{{- end }}
{{- end }}

{{- /* Whether only the machine itself reaches a host. */}}
{{- define "ekiben.loopback" -}}
{{ regexMatch "(?i)^(127[.].*|\\[?::1\\]?|localhost)$" . }}
{{- end }}

{{- /* The port that monitors scrape, by name: the admin door if the public port has no metrics. */}}
{{- define "ekiben.scraped" -}}
{{- $public := toString ((include "ekiben.config" . | fromYaml).metrics).public }}
{{- and (eq $public "false") (ne (include "ekiben.adminPort" .) "") | ternary "admin" "http" }}
{{- end }}

{{- /* The port of the probes, by name: that of the monitors, unless it may ask for a password, which the kubelet does not have. */}}
{{- define "ekiben.probed" -}}
{{- $file := ((include "ekiben.config" . | fromYaml).admin).web_config_file }}
{{- empty $file | ternary (include "ekiben.scraped" .) "http" }}
{{- end }}

{{- /* Whether the Service has the admin door: not if strangers reach the Service. */}}
{{- define "ekiben.adminInService" -}}
{{- and (ne (include "ekiben.adminPort" .) "") (eq .Values.service.type "ClusterIP") }}
{{- end }}

{{- /* A line for each port of the admin door that nothing can find. */}}
{{- define "ekiben.legalAdmin" -}}
{{- $config := include "ekiben.config" . | fromYaml }}
{{- with include "ekiben.adminPort" . }}
{{- if or (lt (int .) 1) (gt (int .) 65535) }}
{{- printf "config.admin.port: must be between 1 and 65535, so that monitors can find it, found %s\n" . }}
{{- else if eq (int .) (int $config.http.port) }}
{{- printf "config.admin.port: must differ from config.http.port, found %s for both\n" . }}
{{- else if and (eq (include "ekiben.adminInService" $) "true") (eq (int .) (int $.Values.service.port)) }}
{{- printf "service.port: must differ from config.admin.port, which the Service has too, found %s for both\n" . }}
{{- end }}
{{- end }}
{{- end }}

{{- /* The endpoint of the service's monitor. monitor.endpoint overrides its keys: the chart does not see what
config.admin.web_config_file asks for. */}}
{{- define "ekiben.target" -}}
{{- $door := include "ekiben.scraped" . }}
{{- $prefix := eq $door "admin" | ternary "" (include "ekiben.prefix" .) }}
{{- $target := dict "port" $door "path" (print $prefix "/metrics") "interval" .Values.monitor.interval "honorLabels" .Values.monitor.honorLabels }}
{{- if and (eq $door "http") (eq (include "ekiben.scheme" .) "HTTPS") }}
{{- $_ := set $target "scheme" "https" }}
{{- end }}
{{- $target = merge (deepCopy .Values.monitor.endpoint) $target }}
{{- if eq (toString $target.scheme) "https" }}
{{- $tls := merge (deepCopy .Values.monitor.tlsConfig) (dict "serverName" (printf "%s.%s.svc" (include "ekiben.name" .) .Release.Namespace)) }}
{{- $target = merge $target (dict "tlsConfig" $tls) }}
{{- end }}
{{- toYaml $target }}
{{- end }}
