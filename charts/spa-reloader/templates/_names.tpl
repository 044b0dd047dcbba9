{{- define "spa-reloader.image" -}}
{{- $tag := .image.tag | default .appVersion -}}
{{- if .image.digest -}}{{ .image.repository }}@{{ .image.digest }}{{- else -}}{{ .image.repository }}:{{ $tag }}{{- end -}}
{{- end }}

{{- define "spa-reloader.serviceAccount" -}}
system:serviceaccount:{{ .Release.Namespace }}:spa-reloader-webhook
{{- end }}
