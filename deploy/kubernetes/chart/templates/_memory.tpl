{{- /* GOMEMLIMIT in bytes: 90 % of the container's limit, since Go does not count all memory of the process. Without a limit in the
values it is the whole limit that Kubernetes gives, of a LimitRange or of the node: the kubelet cannot compute a share. */}}
{{- define "ekiben.memory" -}}
{{- $limit := ((.Values.resources).limits).memory | default "0" }}
{{- $text := kindIs "float64" $limit | ternary (printf "%.0f" $limit) (toString $limit) }}
{{- $units := dict "n" 1e-9 "u" 1e-6 "m" 1e-3 "k" 1e3 "M" 1e6 "G" 1e9 "T" 1e12 "P" 1e15 "E" 1e18 "Ki" 1024 "Mi" 1048576 "Gi" 1073741824 "Ti" 1099511627776 "Pi" 1125899906842624 "Ei" 1152921504606846976 }}
{{- $given := false }}
{{- range .Values.env }}
{{- $given = or $given (eq .name "GOMEMLIMIT") }}
{{- end }}
{{- if not $given }}
{{- $bytes := 1e19 }}
{{- if regexMatch "^[+]?([0-9]+[.]?[0-9]*|[.][0-9]+)([numkMGTPE]|[KMGTPE]i|[eE][-+]?[0-9]{1,2})?$" $text }}
{{- $number := regexFind "[0-9.]+" $text }}
{{- $unit := regexFind "[^0-9.]*$" $text }}
{{- $bytes = hasKey $units $unit | ternary (mulf (float64 $number) (get $units $unit)) (trimPrefix "+" $text | float64) }}
{{- end }}
{{- if ge $bytes 9223372036854775808.0 }}
{{- fail (printf "resources.limits.memory: must be an amount below 8Ei as Kubernetes writes it, such as 512Mi, found %s" (toJson $limit)) }}
{{- end }}
{{- $bytes = floor $bytes | int64 }}
{{- if $bytes }}{name: GOMEMLIMIT, value: {{ sub $bytes (div (add $bytes 9) 10) | quote }}}
{{- else }}{name: GOMEMLIMIT, valueFrom: {resourceFieldRef: {resource: limits.memory}}}{{ end }}
{{- end }}
{{- end }}
