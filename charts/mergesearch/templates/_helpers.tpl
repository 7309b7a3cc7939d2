{{/* The beginning of all names. */}}
{{- define "mergesearch.fullname" -}}
{{- if .Values.fullnameOverride }}
{{- .Values.fullnameOverride }}
{{- else }}
{{- $name := default .Chart.Name .Values.nameOverride }}
{{- if contains $name .Release.Name }}
{{- .Release.Name | trunc 53 | trimSuffix "-" }}
{{- else }}
{{- printf "%s-%s" .Release.Name $name | trunc 53 | trimSuffix "-" }}
{{- end }}
{{- end }}
{{- end }}

{{/* What never changes in a release: a Deployment's selector is immutable. */}}
{{- define "mergesearch.selector" -}}
app.kubernetes.io/name: {{ default .Chart.Name .Values.nameOverride }}
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/component: operator
{{- end }}

{{- define "mergesearch.labels" -}}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-" }}
{{ include "mergesearch.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- end }}

{{/* Ours and the user's, of which ours win: (dict "labels" VALUES "context" $). */}}
{{- define "mergesearch.labelsWith" -}}
{{- toYaml (merge (fromYaml (include "mergesearch.labels" .context)) .labels) }}
{{- end }}

{{- define "mergesearch.serviceAccount" -}}
{{- if .Values.serviceAccount.name }}
{{- .Values.serviceAccount.name }}
{{- else if .Values.serviceAccount.create }}
{{- include "mergesearch.fullname" . }}
{{- else }}
{{- fail "serviceAccount.create is false and serviceAccount.name is empty: the roles would go to the namespace's account default and to all its pods; name an account that exists" }}
{{- end }}
{{- end }}

{{/* The name of an image: (dict "image" VALUES "context" $). */}}
{{- define "mergesearch.image" -}}
{{- if .image.digest }}
{{- printf "%s@%s" .image.repository .image.digest }}
{{- else }}
{{- printf "%s:%s" .image.repository (default .context.Chart.AppVersion .image.tag) }}
{{- end }}
{{- end }}

{{/*
What the operator asks of the API server, and nothing more. It never writes what people write: only the status, Jobs,
claims made from a template, and Events. tests/chart proves that every line is needed and that none is missing.
*/}}
{{- define "mergesearch.rules" -}}
- apiGroups: [mergesearch.io]
  resources: [mergesearches]
  verbs: [get, list, watch]
- apiGroups: [mergesearch.io]
  resources: [mergesearches/status]
  verbs: [update]
- apiGroups: [batch]
  resources: [jobs]
  verbs: [get, list, watch, create, delete]
- apiGroups: [""]
  resources: [pods]
  verbs: [list, watch]
- apiGroups: [""]
  resources: [pods/log]
  verbs: [get]
- apiGroups: [""]
  resources: [persistentvolumeclaims]
  verbs: [get, create]
- apiGroups: [""]
  resources: [events]
  verbs: [create]
{{- if .Values.kueue.enabled }}
- apiGroups: [kueue.x-k8s.io]
  resources: [workloads]
  verbs: [list]
{{- end }}
{{- end }}
