{{- /* Go's memory limit: 90 % of the container's, in bytes, since not all memory is Go's to count. The kubelet knows no share:
it fills in all of a limit that is written in another way (5e8, 1E), which is better than none. */}}
{{- define "ekiben.memory" -}}
{{- $limit := ((.Values.resources).limits).memory | default "0" }}
{{- $text := kindIs "float64" $limit | ternary (printf "%.0f" $limit) (toString $limit) }}
{{- $units := dict "" 1 "k" 1000 "M" 1000000 "G" 1000000000 "T" 1000000000000 "Ki" 1024 "Mi" 1048576 "Gi" 1073741824 "Ti" 1099511627776 }}
{{- $given := false }}
{{- range .Values.env }}
{{- $given = or $given (eq .name "GOMEMLIMIT") }}
{{- end }}
{{- if not $given }}
{{- $bytes := 1e18 }}
{{- if regexMatch "^([0-9]+([.][0-9]*)?|[.][0-9]+)(k|[MGT]|[KMGT]i)?$" $text }}
{{- $bytes = mulf (regexFind "^[0-9.]+" $text | float64) (get $units (regexFind "[kKMGTi]*$" $text)) }}
{{- end }}
{{- if lt $bytes 1e18 }}
{{- with div (mul (floor $bytes | int64) 9) 10 }}{name: GOMEMLIMIT, value: {{ . | quote }}}{{ end }}
{{- else }}{name: GOMEMLIMIT, valueFrom: {resourceFieldRef: {resource: limits.memory}}}{{ end }}
{{- end }}
{{- end }}
