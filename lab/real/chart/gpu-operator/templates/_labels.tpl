{{- define "labels" -}}
app.kubernetes.io/name: {{ .Chart.Name }}
helm.sh/chart: {{ .Chart.Name }}-{{ .Chart.Version }}
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- end }}
{{- define "discovery" -}}
app.kubernetes.io/name: node-feature-discovery
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}
{{- define "discovers" }}{{ .Values.nfd.enabled }}{{ end }}
{{- define "workers tolerate" }}{{ toYaml (index .Values "node-feature-discovery" "worker" "tolerations") }}{{ end }}
