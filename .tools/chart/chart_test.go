// Package chart tests what the Helm chart renders: every object against Kubernetes'
// own types, strictly, and against what a cluster would refuse or a reviewer ask.
package chart

import (
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	policyv1 "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"
)

const (
	chartFolder = "../../charts/touchline"
	helm        = "../bin/helm"
)

// releases are names that YAML or Kubernetes take for something else.
var releases = []string{"y", "1", "touchline", "a-release-with-a-name-of-exactly-fifty-three-letters1"}

// kinds makes an empty object of each kind that the chart may render.
var kinds = map[string]func() metav1.Object{
	"ConfigMap":               func() metav1.Object { return &corev1.ConfigMap{} },
	"Deployment":              func() metav1.Object { return &appsv1.Deployment{} },
	"HorizontalPodAutoscaler": func() metav1.Object { return &autoscalingv2.HorizontalPodAutoscaler{} },
	"Ingress":                 func() metav1.Object { return &networkingv1.Ingress{} },
	"Job":                     func() metav1.Object { return &batchv1.Job{} },
	"NetworkPolicy":           func() metav1.Object { return &networkingv1.NetworkPolicy{} },
	"PodDisruptionBudget":     func() metav1.Object { return &policyv1.PodDisruptionBudget{} },
	"Secret":                  func() metav1.Object { return &corev1.Secret{} },
	"Service":                 func() metav1.Object { return &corev1.Service{} },
	"StatefulSet":             func() metav1.Object { return &appsv1.StatefulSet{} },
	"ServiceAccount":          func() metav1.Object { return &corev1.ServiceAccount{} },
}

// render runs `helm template` and decodes every document into its kind's type: an
// unknown field or a value of the wrong type fails.
func render(t *testing.T, release, values string, more ...string) []metav1.Object {
	t.Helper()
	args := append([]string{"template", release, chartFolder, "--kube-version", "1.30.0", "-f", values}, more...)
	command := exec.CommandContext(t.Context(), helm, args...)
	var stderr strings.Builder
	command.Stderr = &stderr
	out, err := command.Output()
	if err != nil {
		t.Fatalf("helm %s: %v\n%s", strings.Join(args, " "), err, &stderr)
	}
	var objects []metav1.Object
	for document := range strings.SplitSeq("\n"+string(out), "\n---\n") {
		var head metav1.TypeMeta
		if err := yaml.Unmarshal([]byte(document), &head); err != nil {
			t.Fatalf("read a rendered document: %v\n%s", err, document)
		}
		if head.Kind == "" {
			continue
		}
		empty, known := kinds[head.Kind]
		if !known {
			t.Fatalf("the chart renders a %s, which this test does not know", head.Kind)
		}
		object := empty()
		if err := yaml.UnmarshalStrict([]byte(document), object); err != nil {
			t.Fatalf("%s: %v\n%s", head.Kind, err, document)
		}
		objects = append(objects, object)
	}
	return objects
}

func TestRendered(t *testing.T) {
	t.Parallel()
	values, err := filepath.Glob(chartFolder + "/ci/*.yaml")
	if err != nil || len(values) == 0 {
		t.Fatalf("find the value files: %d, error %v", len(values), err)
	}
	for _, file := range values {
		for _, release := range releases {
			t.Run(filepath.Base(file)+"/"+release, func(t *testing.T) {
				t.Parallel()
				objects := render(t, release, file)
				checkNames(t, objects)
				checkSelectors(t, objects)
				checkPods(t, objects)
			})
		}
	}
}

// dnsLabel is what a Service's name must be, and we ask it of all names.
var dnsLabel = regexp.MustCompile(`^[a-z]([-a-z0-9]{0,61}[a-z0-9])?$`)

func checkNames(t *testing.T, objects []metav1.Object) {
	t.Helper()
	for _, object := range objects {
		if !dnsLabel.MatchString(object.GetName()) {
			t.Errorf("%T: name %q is no DNS label that begins with a letter", object, object.GetName())
		}
		for label, value := range object.GetLabels() {
			if len(value) > 63 {
				t.Errorf("%s: label %s has %d characters, 63 are allowed", object.GetName(), label, len(value))
			}
		}
	}
}

// checkSelectors asks that whatever selects pods selects those of exactly one
// workload: a Service without pods and one over two processes both render cleanly.
func checkSelectors(t *testing.T, objects []metav1.Object) {
	t.Helper()
	for _, object := range objects {
		var selector map[string]string
		switch o := object.(type) {
		case *corev1.Service:
			selector = o.Spec.Selector
		case *appsv1.Deployment:
			selector = o.Spec.Selector.MatchLabels
		case *appsv1.StatefulSet:
			selector = o.Spec.Selector.MatchLabels
		case *policyv1.PodDisruptionBudget:
			selector = o.Spec.Selector.MatchLabels
		case *networkingv1.NetworkPolicy:
			selector = o.Spec.PodSelector.MatchLabels
		default:
			continue
		}
		var selected []string
		for _, other := range objects {
			if pod := podOf(other); pod != nil && matches(pod.Labels, selector) {
				selected = append(selected, other.GetName())
			}
		}
		if len(selected) != 1 || selected[0] != object.GetName() {
			t.Errorf("%T %s selects the pods of %q, want its own alone", object, object.GetName(), selected)
		}
	}
}

func matches(labels, selector map[string]string) bool {
	for name, value := range selector {
		if labels[name] != value {
			return false
		}
	}
	return len(selector) > 0
}

func podOf(object metav1.Object) *corev1.PodTemplateSpec {
	switch o := object.(type) {
	case *appsv1.Deployment:
		return &o.Spec.Template
	case *appsv1.StatefulSet:
		return &o.Spec.Template
	case *batchv1.Job:
		return &o.Spec.Template
	default:
		return nil
	}
}

func checkPods(t *testing.T, objects []metav1.Object) {
	t.Helper()
	for _, object := range objects {
		if pod := podOf(object); pod != nil {
			checkRestricted(t, object.GetName(), pod.Spec)
		}
	}
}

// checkRestricted asks for the restricted pod security profile, and for what it
// leaves out: a read-only file system, limits, no token of the cluster.
func checkRestricted(t *testing.T, name string, pod corev1.PodSpec) {
	t.Helper()
	expect := func(holds bool, what string) {
		t.Helper()
		if !holds {
			t.Errorf("%s: %s", name, what)
		}
	}
	is := func(b *bool, want bool) bool { return b != nil && *b == want }
	expect(is(pod.AutomountServiceAccountToken, false), "mounts a token of the cluster")
	expect(pod.SecurityContext != nil && is(pod.SecurityContext.RunAsNonRoot, true), "may run as root")
	expect(pod.SecurityContext.SeccompProfile != nil && pod.SecurityContext.SeccompProfile.Type == "RuntimeDefault", "has no seccomp profile")
	for _, c := range pod.Containers {
		s := c.SecurityContext
		expect(s != nil && is(s.AllowPrivilegeEscalation, false), "may escalate privileges")
		expect(s != nil && is(s.ReadOnlyRootFilesystem, true), "may write to its file system")
		expect(s != nil && s.Capabilities != nil && slices.Equal(s.Capabilities.Drop, []corev1.Capability{"ALL"}), "keeps capabilities")
		expect(!c.Resources.Limits.Memory().IsZero() && !c.Resources.Requests.Cpu().IsZero(), "has no memory limit or no CPU request")
	}
}

// A pod that stops listening as soon as it is asked to stop refuses what the cluster
// still sends it.
func TestRendered_StopsAfterTraffic(t *testing.T) {
	t.Parallel()
	for _, object := range render(t, "touchline", chartFolder+"/ci/minimal-values.yaml") {
		template := podOf(object)
		if _, job := object.(*batchv1.Job); job || template == nil {
			continue
		}
		pod := template.Spec
		c := pod.Containers[0]
		serves := slices.ContainsFunc(c.Ports, func(p corev1.ContainerPort) bool { return p.Name == "http" })
		waits := int64(0)
		if c.Lifecycle != nil && c.Lifecycle.PreStop != nil && c.Lifecycle.PreStop.Sleep != nil {
			waits = c.Lifecycle.PreStop.Sleep.Seconds
		}
		if serves != (waits > 0) {
			t.Errorf("%s: serves %t, waits %d s before it stops", object.GetName(), serves, waits)
		}
		// Requests and then the writer may each take the drain's 20 s.
		if grace := *pod.TerminationGracePeriodSeconds; grace < waits+2*20 {
			t.Errorf("%s: killed after %d s", object.GetName(), grace)
		}
	}
}

// The edge faces the world: what it does not hold can't be taken from it.
func TestRendered_SecretsByNeed(t *testing.T) {
	t.Parallel()
	want := map[string]string{
		"touchline-tracking": "REDIS_URL TOUCHLINE_REGISTRY_KEY",
		"touchline-worker":   "DATABASE_URL REDIS_URL TOUCHLINE_IDENTITY_KEY TOUCHLINE_REGISTRY_KEY",
		"touchline-api":      "DATABASE_URL REDIS_URL TOUCHLINE_IDENTITY_KEY TOUCHLINE_JWT_KEYS TOUCHLINE_REGISTRY_KEY",
		"touchline-migrate":  "DATABASE_URL",
	}
	got := map[string]string{}
	for _, object := range render(t, "touchline", chartFolder+"/ci/minimal-values.yaml") {
		pod := podOf(object)
		if pod == nil {
			continue
		}
		var keys []string
		for _, variable := range pod.Spec.Containers[0].Env {
			if variable.ValueFrom != nil && variable.ValueFrom.SecretKeyRef.Name == "touchline" {
				keys = append(keys, variable.ValueFrom.SecretKeyRef.Key)
			}
		}
		slices.Sort(keys)
		got[object.GetName()] = strings.Join(keys, " ")
	}
	if !maps.Equal(got, want) {
		t.Errorf("secrets by process = %v, want %v", got, want)
	}
}

// A variable that no process reads is a setting that silently does nothing.
func TestRendered_VariablesAreRead(t *testing.T) {
	t.Parallel()
	read := map[string]bool{}
	sources, err := filepath.Glob("../../services/*/app/config.go")
	if err != nil || len(sources) == 0 {
		t.Fatalf("find the services' settings: %d files, error %v", len(sources), err)
	}
	tag := regexp.MustCompile("env:\"([A-Z_]+)")
	for _, source := range sources {
		text, err := os.ReadFile(source)
		if err != nil {
			t.Fatal(err)
		}
		for _, match := range tag.FindAllStringSubmatch(string(text), -1) {
			read[match[1]] = true
		}
	}
	for _, name := range variables(render(t, "touchline", chartFolder+"/ci/everything-values.yaml")) {
		if !read[name] {
			t.Errorf("the chart sets %s, which no app/config.go reads", name)
		}
	}
}

// variables lists the names of all environment variables that objects set.
func variables(objects []metav1.Object) []string {
	var names []string
	for _, object := range objects {
		if settings, ok := object.(*corev1.ConfigMap); ok {
			names = slices.AppendSeq(names, maps.Keys(settings.Data))
		}
		pod := podOf(object)
		if pod == nil {
			continue
		}
		for _, variable := range pod.Spec.Containers[0].Env {
			names = append(names, variable.Name)
		}
	}
	return names
}

func TestRendered_GeneratedKeysAreKeys(t *testing.T) {
	t.Parallel()
	for _, object := range render(t, "touchline", chartFolder+"/ci/everything-values.yaml") {
		secret, ok := object.(*corev1.Secret)
		if !ok || secret.Name != "touchline" {
			continue
		}
		// 32 bytes in base64, as the services read them.
		if key := string(secret.Data["TOUCHLINE_IDENTITY_KEY"]); !regexp.MustCompile(`^[A-Za-z0-9+/]{43}=$`).MatchString(key) {
			t.Errorf("the generated identity key is %q, want 32 bytes in base64", key)
		}
		if url := string(secret.Data["REDIS_URL"]); url != "redis://redis.example.com:6379/0" {
			t.Errorf("REDIS_URL = %q, want it as given", url)
		}
		return
	}
	t.Error("no Secret touchline was rendered")
}

// Wrong values are refused with the value's name, before anything reaches a cluster.
func TestRefused(t *testing.T) {
	t.Parallel()
	minimal := chartFolder + "/ci/minimal-values.yaml"
	cases := map[string]struct {
		args []string
		want string
	}{
		"no secrets at all":            {[]string{"--set", "secrets.existingSecret="}, "set secrets.databaseUrl, or secrets.existingSecret"},
		"a value that is not there":    {[]string{"--set", "api.replica=3"}, "replica"},
		"a release-like number":        {[]string{"--set", "fullnameOverride=1x"}, "fullnameOverride"},
		"room below none":              {[]string{"--set", "worker.buildDiskBytes=-1"}, "buildDiskBytes"},
		"an ingress without a host":    {[]string{"--set", "api.ingress.enabled=true"}, "host"},
		"a variable with a small name": {[]string{"--set", "config.extra.name=x"}, "'name' does not match"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			args := append([]string{"template", "y", chartFolder, "--kube-version", "1.30.0", "-f", minimal}, c.args...)
			out, err := exec.CommandContext(t.Context(), helm, args...).CombinedOutput()
			if err == nil || !strings.Contains(string(out), c.want) {
				t.Errorf("helm %v: error %v, want a refusal that names %q; it said:\n%s", c.args, err, c.want, out)
			}
		})
	}
}

func TestMain(m *testing.M) {
	if _, err := os.Stat(helm); err != nil {
		println("helm is not built: run .tools/chart.sh, which builds it")
		os.Exit(1)
	}
	os.Exit(m.Run())
}

// A pod whose files take more than their volume may is evicted: a worker's has room for what its
// builds, and those of a command that runs in it, may write.
func TestRendered_BuildsHaveRoom(t *testing.T) {
	t.Parallel()
	for _, bytes := range []int64{0, 123, 3 << 30} {
		found := false
		for _, object := range render(t, "touchline", chartFolder+"/ci/minimal-values.yaml", "--set", fmt.Sprintf("worker.buildDiskBytes=%d", bytes)) {
			pod := podOf(object)
			if pod == nil {
				continue
			}
			spec := pod.Spec
			volume := slices.IndexFunc(spec.Volumes, func(v corev1.Volume) bool { return v.Name == "tmp" })
			setting := slices.IndexFunc(spec.Containers[0].Env, func(v corev1.EnvVar) bool { return v.Name == "TOUCHLINE_BUILD_DISK_BYTES" })
			if setting < 0 {
				continue
			}
			found = true
			value, room := spec.Containers[0].Env[setting].Value, spec.Volumes[volume].EmptyDir.SizeLimit.Value()
			if value != strconv.FormatInt(bytes, 10) || room != 2*bytes+64<<20 {
				t.Errorf("%s: set to %s, and a volume of %d", object.GetName(), value, room)
			}
		}
		if !found {
			t.Error("no process is told how much it may take")
		}
	}
}

// Hits that Redis does not take must lie on a volume that outlives the pod.
func TestRendered_SpoolOutlivesThePod(t *testing.T) {
	t.Parallel()
	found := false
	for _, object := range render(t, "touchline", chartFolder+"/ci/minimal-values.yaml") {
		set, ok := object.(*appsv1.StatefulSet)
		if !ok {
			continue
		}
		found = true
		c := set.Spec.Template.Spec.Containers[0]
		dir := ""
		for _, variable := range c.Env {
			if variable.Name == "TOUCHLINE_SPOOL_DIR" {
				dir = variable.Value
			}
		}
		mount, volume := "", ""
		for _, m := range c.VolumeMounts { // the longest that the directory lies in
			if strings.HasPrefix(dir+"/", m.MountPath+"/") && len(m.MountPath) > len(mount) {
				mount, volume = m.MountPath, m.Name
			}
		}
		claimed := slices.ContainsFunc(set.Spec.VolumeClaimTemplates, func(c corev1.PersistentVolumeClaim) bool { return c.Name == volume })
		if dir == "" || !claimed {
			t.Errorf("%s: the spool is %q on volume %q, which is no claim", object.GetName(), dir, volume)
		}
		if set.Spec.Template.Spec.SecurityContext.FSGroup == nil {
			t.Errorf("%s: the volume belongs to root", object.GetName())
		}
	}
	if !found {
		t.Error("no StatefulSet")
	}
}
