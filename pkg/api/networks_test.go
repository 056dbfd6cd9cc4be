// SPDX-License-Identifier: Apache-2.0

package api

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"testing"

	"coracle/pkg/docker"
)

// get decodes the answer of a request that succeeds.
func get[T any](t *testing.T, s *served, method, path, body string, status int) (v T) {
	t.Helper()
	resp, text := s.ask(t, method, path, body)
	if resp.StatusCode != status {
		t.Fatalf("%s %s: %d %s, want %d", method, path, resp.StatusCode, text, status)
	}
	if status == http.StatusNoContent || text == "" {
		return v
	}
	if err := json.Unmarshal([]byte(text), &v); err != nil {
		t.Fatalf("%s %s: %s: %v", method, path, text, err)
	}
	return v
}

// filters is a value of the parameter filters.
func filters(text string) string {
	return "?filters=" + strings.NewReplacer(`"`, "%22", "{", "%7B", "}", "%7D", " ", "%20").Replace(text)
}

func TestNetworks(t *testing.T) {
	s := serve(t)
	names := func(query string) []string {
		var all []string
		for _, n := range get[[]docker.Network](t, s, "GET", "/v1.44/networks"+query, "", 200) {
			all = append(all, n.Name)
		}
		slices.Sort(all)
		return all
	}
	if got := names(""); !slices.Equal(got, []string{"bridge", "host", "none"}) {
		t.Errorf("at first: %v", got)
	}
	made := get[struct{ Id, Warning string }](t, s, "POST", "/networks/create", `{"Name":"web","CheckDuplicate":true,"Driver":"bridge","Attachable":true,"Labels":{"a":"b"},"Options":{"x":"y"},
		"IPAM":{"Driver":"default","Options":null,"Config":[{"Subnet":"10.77.0.0/24","Gateway":"","IPRange":null,"AuxiliaryAddresses":{"router":"10.77.0.9"}}]}}`, 201)
	if len(made.Id) != 64 || !strings.Contains(made.Warning, "--opt has no effect") {
		t.Errorf("%+v", made)
	}
	n := get[docker.Network](t, s, "GET", "/networks/"+made.Id[:12]+"?verbose=true&scope=local", "", 200)
	if n.Name != "web" || !n.Attachable || n.Options["x"] != "y" || n.Labels["a"] != "b" || n.IPAM.Config[0].AuxAddress["router"] != "10.77.0.9" || n.Containers == nil {
		t.Errorf("%+v", n)
	}
	for query, want := range map[string]string{
		filters(`{"name":["web"]}`): "web", filters(`{"label":{"a=b":true}}`): "web", filters(`{"type":["builtin"]}`): "bridge host none",
		filters(`{"dangling":["true"]}`): "web", filters(`{"driver":{"null":true}}`): "none", filters(`{"id":["nothing"]}`): "",
	} {
		if got := strings.Join(names(query), " "); got != want {
			t.Errorf("%s: %s, want %s", query, got, want)
		}
	}
	checkRefusals(t, s, []refusal{
		{"POST", "/networks/create", `{"Name":"web"}`, 409, "network with name web already exists"},
		{"POST", "/networks/create", `{"Name":"b/d"}`, 400, ""},
		{"POST", "/networks/create", `{"Name":"host"}`, 403, "operation is not permitted on predefined host network"},
		{"POST", "/networks/create", `{"Name":"x","Driver":"overlay"}`, 404, `could not find plugin overlay in v1 plugin registry: plugin "overlay" not found`},
		{"POST", "/networks/create", `{"Name":"x","IPAM":{"Config":[{"Subnet":"10.77.0.0/16"}]}}`, 403, "invalid pool request: Pool overlaps with other one on this address space"},
		{"POST", "/networks/create", `{"Name":"x","IPAM":{"Config":[{"Subnet":"10.78.0.0/16","Gateway":"10.1.1.1"}]}}`, 400, "no matching subnet for gateway 10.1.1.1"},
		{"POST", "/networks/create", `{"Name":"x","Ingress":true}`, 501, ""},
		{"POST", "/networks/create", `{"Name":`, 400, ""},
		{"GET", "/networks/nosuch", "", 404, "network nosuch not found"},
		{"GET", "/networks/web?scope=swarm", "", 404, "network web not found"},
		{"DELETE", "/networks/bridge", "", 403, "bridge is a pre-defined network and cannot be removed"},
		{"DELETE", "/networks/nosuch", "", 404, "network nosuch not found"},
		{"POST", "/networks/web/connect", `{"Container":"nosuch"}`, 404, "No such container: nosuch"},
		{"POST", "/networks/nosuch/connect", `{"Container":"nosuch"}`, 404, "network nosuch not found"},
		{"POST", "/networks/host/connect", `{"Container":"nosuch"}`, 400, "container cannot be disconnected from host network or connected to host network"},
		{"POST", "/networks/web/disconnect", `{"Container":"nosuch"}`, 404, "No such container: nosuch"},
		{"GET", "/networks" + filters(`{"nosuch":["x"]}`), "", 400, "invalid filter 'nosuch'"},
		{"GET", "/networks?filters=x", "", 400, ""},
		{"POST", "/networks/prune" + filters(`{"until":["x"]}`), "", 400, ""},
	})
	pruned := get[struct{ NetworksDeleted []string }](t, s, "POST", "/networks/prune"+filters(`{"label":["no"]}`), "", 200)
	if pruned.NetworksDeleted != nil {
		t.Errorf("%v", pruned)
	}
	pruned = get[struct{ NetworksDeleted []string }](t, s, "POST", "/networks/prune", "", 200)
	if !slices.Equal(pruned.NetworksDeleted, []string{"web"}) {
		t.Errorf("%v", pruned)
	}
	get[any](t, s, "POST", "/networks/create", `{"Name":"web"}`, 201)
	get[any](t, s, "DELETE", "/networks/web", "", 204)
}
