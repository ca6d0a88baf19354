// Package gitops holds deploy/argocd and deploy/flux against the parsers of Argo CD and Flux.
package gitops

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/fluxcd/cli-utils/pkg/kstatus/status"
	helmv2 "github.com/fluxcd/helm-controller/api/v2"
	kustomizev1 "github.com/fluxcd/kustomize-controller/api/v1"
	"github.com/fluxcd/pkg/apis/kustomize"
	"github.com/fluxcd/pkg/runtime/cel"
	sourcev1 "github.com/fluxcd/source-controller/api/v1"
	lua "github.com/yuin/gopher-lua"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	utilyaml "k8s.io/apimachinery/pkg/util/yaml"
	"sigs.k8s.io/yaml"
)

const deploy = "../../../deploy/"

// generation of every object of the table.
const generation = int64(2)

// A row of statuses.yaml.
type row struct {
	Why        string   `json:"why"`
	Kind       string   `json:"kind"`
	Conditions []string `json:"conditions"`
	Observed   *int64   `json:"observed"`
	Deleting   bool     `json:"deleting"`
	Argo       string   `json:"argo"`
	Kstatus    string   `json:"kstatus"`
	// Flux is empty where its expressions are not asked.
	Flux string `json:"flux"`
}

func rows(t *testing.T) []row {
	t.Helper()
	var rows []row
	strict(t, read(t, "statuses.yaml"), &rows)
	if len(rows) < 10 {
		t.Fatalf("only %d rows", len(rows))
	}
	return rows
}

// object is what the apiserver would tell: whole numbers are int64, as client-go has them.
func (r row) object() *unstructured.Unstructured {
	kind, observed := r.Kind, generation
	if kind == "" {
		kind = "Fork"
	}
	if r.Observed != nil {
		observed = *r.Observed
	}
	metadata := map[string]any{"name": "acme", "namespace": "default", "generation": generation}
	if r.Deleting {
		metadata["deletionTimestamp"] = "2026-01-01T00:00:00Z"
	}
	conditions := []any{}
	for _, text := range r.Conditions {
		parts := strings.Fields(text)
		conditions = append(conditions, map[string]any{
			"type": parts[0], "status": parts[1], "reason": parts[2], "message": "because of " + parts[2],
			"lastTransitionTime": "2026-01-01T00:00:00Z", "observedGeneration": observed,
		})
	}
	stat := map[string]any{"observedGeneration": observed}
	if len(conditions) > 0 {
		stat["conditions"] = conditions
	}
	return &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "forkable.dev/v1alpha1", "kind": kind, "metadata": metadata, "status": stat,
	}}
}

func TestKstatus(t *testing.T) {
	for _, row := range rows(t) {
		result, err := status.Compute(row.object())
		if err != nil {
			t.Fatalf("%s: %v", row.Why, err)
		}
		if string(result.Status) != row.Kstatus {
			t.Errorf("%s: %s, expected %s: %s", row.Why, result.Status, row.Kstatus, result.Message)
		}
	}
}

func TestFluxExpressions(t *testing.T) {
	var exprs *kustomize.HealthCheckExpressions
	for _, object := range fluxObjects(t) {
		if k, ok := object.(*kustomizev1.Kustomization); ok {
			exprs = &k.Spec.HealthCheckExprs[0].HealthCheckExpressions
		}
	}
	evaluator, err := cel.NewStatusEvaluator(exprs)
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range rows(t) {
		if row.Flux == "" {
			continue
		}
		result, err := evaluator.Evaluate(context.Background(), row.object())
		if err != nil {
			t.Fatalf("%s: %v", row.Why, err)
		}
		if string(result.Status) != row.Flux {
			t.Errorf("%s: %s, expected %s", row.Why, result.Status, row.Flux)
		}
	}
}

func TestArgoHealth(t *testing.T) {
	script := read(t, deploy+"argocd/health.lua")
	var config corev1.ConfigMap
	strict(t, read(t, deploy+"argocd/argocd-cm.yaml"), &config)
	for _, kind := range []string{"Fork", "Deployment", "AlertRule"} {
		if config.Data["resource.customizations.health.forkable.dev_"+kind] != string(script) {
			t.Errorf("argocd-cm.yaml has another script for %s than health.lua", kind)
		}
	}
	for _, row := range rows(t) {
		result := health(t, row.object(), string(script))
		if result["status"] != row.Argo {
			t.Errorf("%s: %v, expected %s", row.Why, result, row.Argo)
		}
		if result["message"] == "" {
			t.Errorf("%s: no message", row.Why)
		}
	}
	fresh := &unstructured.Unstructured{Object: map[string]any{"metadata": map[string]any{"generation": int64(1)}}}
	if result := health(t, fresh, string(script)); result["status"] != "Progressing" {
		t.Errorf("an object without status is %v", result)
	}
}

// health runs a script as Argo CD does: the libraries package, base and table, and nothing else that a health check may use.
// Argo CD itself is no dependency: its module builds the whole of Kubernetes by replaced modules.
func health(t *testing.T, object *unstructured.Unstructured, script string) map[string]string {
	t.Helper()
	state := lua.NewState(lua.Options{SkipOpenLibs: true})
	defer state.Close()
	for name, open := range map[string]lua.LGFunction{
		lua.LoadLibName: lua.OpenPackage, lua.BaseLibName: lua.OpenBase, lua.TabLibName: lua.OpenTable,
	} {
		if err := state.CallByParam(lua.P{Fn: state.NewFunction(open), Protect: true}, lua.LString(name)); err != nil {
			t.Fatal(err)
		}
	}
	state.SetGlobal("obj", value(state, object.Object))
	if err := state.DoString(script); err != nil {
		t.Fatal(err)
	}
	table, ok := state.Get(-1).(*lua.LTable)
	if !ok {
		t.Fatalf("the script gives %s, and must give a table", state.Get(-1).Type())
	}
	result := map[string]string{}
	table.ForEach(func(key, value lua.LValue) { result[key.String()] = value.String() })
	return result
}

func value(state *lua.LState, from any) lua.LValue {
	switch from := from.(type) {
	case string:
		return lua.LString(from)
	case int64:
		return lua.LNumber(from)
	case []any:
		table := state.NewTable()
		for _, item := range from {
			table.Append(value(state, item))
		}
		return table
	case map[string]any:
		table := state.NewTable()
		for key, item := range from {
			table.RawSetString(key, value(state, item))
		}
		return table
	default:
		return lua.LNil
	}
}

// fluxObjects are all objects of deploy/flux, read without tolerance for unknown fields.
func fluxObjects(t *testing.T) []any {
	t.Helper()
	files, err := filepath.Glob(deploy + "flux/*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatalf("no files in %sflux: %v", deploy, err)
	}
	var objects []any
	for _, file := range files {
		documents := utilyaml.NewYAMLReader(bufio.NewReader(bytes.NewReader(read(t, file))))
		for {
			document, err := documents.Read()
			if err == io.EOF {
				break
			}
			if err != nil {
				t.Fatalf("%s: %v", file, err)
			}
			objects = append(objects, fluxObject(t, file, document))
		}
	}
	return objects
}

func fluxObject(t *testing.T, file string, document []byte) any {
	t.Helper()
	var head struct{ APIVersion, Kind string }
	if err := yaml.Unmarshal(document, &head); err != nil {
		t.Fatalf("%s: %v", file, err)
	}
	known := map[string]any{
		"v1 Namespace": &corev1.Namespace{},
		"kustomize.toolkit.fluxcd.io/v1 Kustomization": &kustomizev1.Kustomization{},
		"source.toolkit.fluxcd.io/v1 GitRepository":    &sourcev1.GitRepository{},
		"source.toolkit.fluxcd.io/v1 OCIRepository":    &sourcev1.OCIRepository{},
		"helm.toolkit.fluxcd.io/v2 HelmRelease":        &helmv2.HelmRelease{},
	}
	object, ok := known[head.APIVersion+" "+head.Kind]
	if !ok {
		t.Fatalf("%s has a %s %s, which is not expected", file, head.APIVersion, head.Kind)
	}
	strict(t, document, object)
	return object
}

func TestFluxObjects(t *testing.T) {
	kinds := map[string]bool{}
	for _, object := range fluxObjects(t) {
		switch object := object.(type) {
		case *kustomizev1.Kustomization:
			kinds["Kustomization"] = object.Spec.Wait && object.Spec.SourceRef.Name == "products"
		case *sourcev1.GitRepository:
			kinds["GitRepository"] = object.Name == "products"
		case *helmv2.HelmRelease:
			kinds["HelmRelease"] = object.Spec.ChartRef != nil && object.Spec.ChartRef.Name == "forkable"
		case *sourcev1.OCIRepository:
			kinds["OCIRepository"] = object.Name == "forkable"
		}
	}
	for _, kind := range []string{"Kustomization", "GitRepository", "HelmRelease", "OCIRepository"} {
		if !kinds[kind] {
			t.Errorf("no %s as it should be", kind)
		}
	}
}

func read(t *testing.T, file string) []byte {
	t.Helper()
	content, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return content
}

func strict(t *testing.T, document []byte, into any) {
	t.Helper()
	if err := yaml.UnmarshalStrict(document, into); err != nil {
		t.Fatalf("%v in\n%s", err, bytes.TrimSpace(document))
	}
}
