{{/*
A Deployment of one of the three processes; with "spool", of which there is a size and a
class, a StatefulSet whose pods each keep a volume. Takes (dict
  "root" $  "component" "api"  "image" "attribution"  "args" (list "api")
  "values" .Values.api  "http" true  "secrets" (list "REDIS_URL" …)  "grace" 30).
*/}}
{{- define "touchline.deployment" -}}
{{- $root := .root -}}
{{- $fullname := include "touchline.fullname" $root -}}
apiVersion: apps/v1
kind: {{ if .values.spool }}StatefulSet{{ else }}Deployment{{ end }}
metadata:
  name: {{ printf "%s-%s" $fullname .component | quote }}
  namespace: {{ $root.Release.Namespace | quote }}
  labels:
    {{- include "touchline.labels" . | nindent 4 }}
spec:
  {{- if not .values.autoscaling.enabled }}
  replicas: {{ .values.replicas }}
  {{- end }}
  revisionHistoryLimit: 3
  {{- if .values.spool }}
  serviceName: {{ printf "%s-%s" $fullname .component | quote }}
  podManagementPolicy: Parallel
  # What a pod left on its disk is brought to Redis by the next pod of its number.
  persistentVolumeClaimRetentionPolicy: {whenDeleted: Retain, whenScaled: Retain}
  {{- else }}
  strategy:
    type: RollingUpdate
    rollingUpdate:
      maxSurge: 1
      maxUnavailable: 0
  {{- end }}
  selector:
    matchLabels:
      {{- include "touchline.selector" . | nindent 6 }}
  template:
    metadata:
      labels:
        {{- include "touchline.labels" . | nindent 8 }}
      annotations:
        # New settings are a new pod: processes read them once.
        checksum/config: {{ include (print $root.Template.BasePath "/configmap.yaml") $root | sha256sum | quote }}
        {{- if and (not $root.Values.secrets.existingSecret) (not $root.Values.secrets.generate) }}
        checksum/secret: {{ include (print $root.Template.BasePath "/secret.yaml") $root | sha256sum | quote }}
        {{- end }}
        {{- range $name, $value := .values.podAnnotations }}
        {{ $name | quote }}: {{ $value | quote }}
        {{- end }}
    spec:
      serviceAccountName: {{ include "touchline.serviceAccount" $root }}
      automountServiceAccountToken: false
      enableServiceLinks: false
      terminationGracePeriodSeconds: {{ .grace }}
      {{- include "touchline.pullSecrets" $root | nindent 6 }}
      securityContext:
        {{- include "touchline.podSecurity" . | nindent 8 }}
      containers:
        - name: {{ .component | quote }}
          image: {{ include "touchline.image" . }}
          imagePullPolicy: {{ $root.Values.image.pullPolicy | quote }}
          {{- with .args }}
          args:
            {{- range . }}
            - {{ . | quote }}
            {{- end }}
          {{- end }}
          envFrom:
            - configMapRef:
                name: {{ $fullname | quote }}
          env:
            {{- if .http }}
            - name: "TOUCHLINE_ADDR"
              value: ":8080"
            {{- end }}
            - name: "TOUCHLINE_ADMIN_ADDR"
              value: ":9090"
            {{- if eq .component "tracking" }}
            # A sealed copy of the sources, so that the edge restarts while Redis is away.
            - name: "TOUCHLINE_REGISTRY_SNAPSHOT"
              value: "/var/lib/touchline/registry"
            - name: "TOUCHLINE_SPOOL_DIR"
              value: "/var/lib/touchline/spool/hits"
            - name: "TOUCHLINE_SPOOL_MAX_BYTES"
              value: {{ .values.spool.maxBytes | int64 | quote }}
            {{- end }}
            {{- if eq .component "worker" }}
            - name: "TOUCHLINE_BUILD_DISK_BYTES"
              value: {{ .values.buildDiskBytes | int64 | quote }}
            {{- end }}
            {{- range .secrets }}
            {{- include "touchline.secretEnv" (dict "secret" (include "touchline.secretName" $root) "key" .) | nindent 12 }}
            {{- end }}
          ports:
            {{- if .http }}
            - name: "http"
              containerPort: 8080
            {{- end }}
            - name: "admin"
              containerPort: 9090
          {{- if .http }}
          # The cluster goes on sending for a moment after it has asked the pod to stop;
          # a browser's beacon that is refused then is lost.
          lifecycle:
            preStop:
              sleep: {seconds: 5}
          {{- end }}
          startupProbe:
            httpGet: {path: /healthz, port: admin}
            periodSeconds: 2
            failureThreshold: 30
          livenessProbe:
            httpGet: {path: /healthz, port: admin}
            periodSeconds: 10
            timeoutSeconds: 3
          readinessProbe:
            httpGet: {path: /readyz, port: admin}
            periodSeconds: 5
            timeoutSeconds: 3
          resources:
            {{- toYaml .values.resources | nindent 12 }}
          securityContext:
            {{- include "touchline.containerSecurity" . | nindent 12 }}
          volumeMounts:
            - name: "state"
              mountPath: /var/lib/touchline
            {{- if .values.spool }}
            - name: "spool"
              mountPath: /var/lib/touchline/spool
            {{- end }}
            - name: "tmp"
              mountPath: /tmp
      volumes:
        # Copies only, such as the edge's snapshot of the sources: it may go with the pod.
        - name: "state"
          emptyDir: {sizeLimit: 256Mi}
        # A worker's has room for what builds may take, twice: `attribution recompute`, run in the pod,
        # takes as much for itself. A pod that takes more is evicted.
        - name: "tmp"
          emptyDir: {sizeLimit: {{ if eq .component "worker" }}{{ .values.buildDiskBytes | int64 | mul 2 | add 67108864 | quote }}{{ else }}64Mi{{ end }}}
      topologySpreadConstraints:
        - maxSkew: 1
          topologyKey: kubernetes.io/hostname
          whenUnsatisfiable: ScheduleAnyway
          labelSelector:
            matchLabels:
              {{- include "touchline.selector" . | nindent 14 }}
      {{- with .values.nodeSelector }}
      nodeSelector:
        {{- toYaml . | nindent 8 }}
      {{- end }}
      {{- with .values.tolerations }}
      tolerations:
        {{- toYaml . | nindent 8 }}
      {{- end }}
  {{- with .values.spool }}
  volumeClaimTemplates:
    - metadata:
        name: "spool"
      spec:
        accessModes: ["ReadWriteOnce"]
        {{- with .storageClass }}
        storageClassName: {{ . | quote }}
        {{- end }}
        resources:
          requests:
            storage: {{ .size | quote }}
  {{- end }}
{{- end -}}

{{- define "touchline.pullSecrets" -}}
{{- with .Values.image.pullSecrets -}}
imagePullSecrets:
  {{- range . }}
  - name: {{ . | quote }}
  {{- end }}
{{- end -}}
{{- end -}}
