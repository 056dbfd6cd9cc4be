// SPDX-License-Identifier: Apache-2.0

package api

import "testing"

// TestAbsent: who looks for a cluster or a plugin finds a host that has none.
func TestAbsent(t *testing.T) {
	s := serve(t)
	made(t, s, "web", nil)
	none := `This node is not a swarm manager. Use "docker swarm init" or "docker swarm join" to connect this node to swarm and try again.`
	for _, path := range []string{"/swarm", "/swarm/unlockkey", "/nodes", "/nodes/x", "/services", "/services/x/logs", "/tasks", "/secrets", "/configs/x"} {
		checkRefusals(t, s, []refusal{{"GET", "/v1.44" + path, "", 503, none}})
	}
	checkRefusals(t, s, []refusal{
		{"POST", "/services/create", `{}`, 503, none},
		{"POST", "/secrets/x/update", `{}`, 503, none},
		{"DELETE", "/configs/x", "", 503, none},
		{"POST", "/swarm/leave", "", 503, "This node is not part of a swarm"},
		{"POST", "/swarm/init", `{}`, 501, ""},
		{"GET", "/plugins/x/json", "", 404, `plugin "x" not found`},
		{"POST", "/plugins/x/enable", "", 404, `plugin "x" not found`},
		{"POST", "/plugins/pull?remote=x", "", 501, ""},
		{"GET", "/containers/web/checkpoints", "", 501, ""},
		{"GET", "/containers/nosuch/checkpoints", "", 404, "No such container: nosuch"},
	})
	if resp, body := s.ask(t, "GET", "/plugins", ""); resp.StatusCode != 200 || body != "[]\n" {
		t.Errorf("%d %q", resp.StatusCode, body)
	}
}
