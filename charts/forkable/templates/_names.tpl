{{/* Names, labels and addresses that several templates use. */}}

{{- define "forkable.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" }}
{{- end }}

{{/* 40 characters leave room for the suffixes of shards and roles. */}}
{{- define "forkable.fullname" -}}
{{- if .Values.fullnameOverride }}
{{- .Values.fullnameOverride | trunc 40 | trimSuffix "-" }}
{{- else if contains (include "forkable.name" .) .Release.Name }}
{{- .Release.Name | trunc 40 | trimSuffix "-" }}
{{- else }}
{{- printf "%s-%s" .Release.Name (include "forkable.name" .) | trunc 40 | trimSuffix "-" }}
{{- end }}
{{- end }}

{{- define "forkable.namespace" -}}
{{- default .Release.Namespace .Values.namespaceOverride }}
{{- end }}

{{/* Names of ClusterRoles: two releases must not share one. */}}
{{- define "forkable.clusterName" -}}
{{- $full := include "forkable.fullname" . }}
{{- $namespace := include "forkable.namespace" . }}
{{- eq $full $namespace | ternary $full (printf "%s-%s" $namespace $full) }}
{{- end }}

{{- define "forkable.serviceAccountName" -}}
{{- $default := .Values.serviceAccount.create | ternary (include "forkable.fullname" .) "default" }}
{{- default $default .Values.serviceAccount.name }}
{{- end }}

{{- define "forkable.selectorLabels" -}}
app.kubernetes.io/name: {{ include "forkable.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/component: controller
{{- end }}

{{- define "forkable.labels" -}}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
app.kubernetes.io/part-of: forkable
{{ include "forkable.selectorLabels" . }}
{{- with .Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- define "forkable.image" -}}
{{- $image := .Values.image }}
{{- if $image.digest }}
{{- printf "%s@%s" $image.repository $image.digest }}
{{- else }}
{{- printf "%s:%s" $image.repository (default .Chart.AppVersion $image.tag) }}
{{- end }}
{{- end }}
