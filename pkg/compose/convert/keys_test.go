// SPDX-License-Identifier: Apache-2.0

package convert

import (
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"coracle/internal/testutil/projects"

	"github.com/compose-spec/compose-go/v2/types"
)

// TestKeys: there is no key of a service about which the table says nothing, and none
// in the table that does not exist.
func TestKeys(t *testing.T) {
	var told []string
	for _, k := range Keys() {
		told = append(told, k.Name)
		if k.Fate != Done && k.Note == "" {
			t.Errorf("%s is %s: why?", k.Name, k.Fate)
		}
	}
	projects.Covers(t, told)
}

// TestFates: what is refused is refused, what has no effect is named, and of the rest
// nothing is said.
func TestFates(t *testing.T) {
	yes := true
	for name, s := range map[string]types.ServiceConfig{
		"device_cgroup_rules":           {ContainerSpec: types.ContainerSpec{DeviceCgroupRules: []string{"c 1:3 mr"}}},
		"provider":                      {Provider: &types.ServiceProviderConfig{Type: "x"}},
		"device_cgroup_rules of a hook": {PreStart: []types.PreStartHook{{ContainerSpec: types.ContainerSpec{DeviceCgroupRules: []string{"c 1:3 mr"}}}}},
	} {
		if err := Check(s); err == nil || !strings.Contains(err.Error(), strings.Fields(name)[0]+" is not supported: ") {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := Check(types.ServiceConfig{Name: "a", PreStart: []types.PreStartHook{{}, {PerReplica: true}}}); err == nil || err.Error() != `service "a" pre_start[1]: per_replica is not yet supported; remove per_replica or set it to false` {
		t.Error(err)
	}
	s := types.ServiceConfig{Name: "a", Deploy: &types.DeployConfig{
		Mode: "replicated", EndpointMode: "vip", Placement: types.Placement{Constraints: []string{"x"}},
		Resources: types.Resources{Reservations: &types.Resource{NanoCPUs: 1, MemoryBytes: 1}},
	}}
	s.Init, s.Networks = &yes, map[string]*types.ServiceNetworkConfig{"n": {InterfaceName: "x", Aliases: []string{"y"}}, "m": nil}
	var named []string
	for _, text := range Unheard(s) {
		key, _, _ := strings.Cut(strings.TrimPrefix(text, `service "a": `), " ")
		named = append(named, key)
	}
	if want := []string{"deploy.endpoint_mode", "deploy.placement", "deploy.resources.reservations.cpus", "networks.interface_name"}; !slices.Equal(named, want) || Check(s) != nil {
		t.Errorf("named: %v; refused: %v", named, Check(s))
	}
}

var writeDocs = flag.Bool("write", false, "write the table of docs/compose.md anew")

// TestKeysAreDocumented compares docs/compose.md with the table.
func TestKeysAreDocumented(t *testing.T) {
	const file, begin, end = "../../../docs/compose.md", "-write -->\n", "<!-- end -->"
	text, err := os.ReadFile(file)
	if err != nil {
		t.Skip("the documents are not there:", err)
	}
	var table strings.Builder
	table.WriteString("| key | | |\n|---|---|---|\n")
	for _, k := range Keys() {
		fmt.Fprintf(&table, "| `%s` | %s | %s |\n", k.Name, k.Fate, k.Note)
	}
	before, rest, _ := strings.Cut(string(text), begin)
	_, after, ok := strings.Cut(rest, end)
	if !ok {
		t.Fatalf("%s has no place for the table", file)
	}
	want := before + begin + table.String() + end + after
	if want == string(text) {
		return
	}
	if !*writeDocs {
		t.Fatalf("%s is out of date: go test ./pkg/compose/convert -run TestKeysAreDocumented -write", file)
	}
	if err := os.WriteFile(file, []byte(want), 0o644); err != nil {
		t.Fatal(err)
	}
}
