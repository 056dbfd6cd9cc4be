// SPDX-License-Identifier: Apache-2.0

package api

import (
	"bufio"
	"context"
	"encoding/json"
	"net/http"
	"testing"

	"coracle/pkg/docker"
	"coracle/pkg/events"
)

func TestPing(t *testing.T) {
	s := serve(t)
	for _, method := range []string{"GET", "HEAD"} {
		resp, body := s.ask(t, method, "/_ping", "")
		for key, want := range map[string]string{
			"Api-Version": docker.APIVersion, "Ostype": "linux", "Docker-Experimental": "false", "Builder-Version": "1", "Swarm": "inactive",
			"Server": "Docker/1.2.3 (linux)", "Cache-Control": "no-cache, no-store, must-revalidate", "Pragma": "no-cache",
		} {
			if got := resp.Header.Get(key); got != want {
				t.Errorf("%s: %s is %q", method, key, got)
			}
		}
		if resp.StatusCode != 200 || method == "GET" && body != "OK" {
			t.Errorf("%s: %d %q", method, resp.StatusCode, body)
		}
	}
}

func TestVersionAndInfo(t *testing.T) {
	s := serve(t)
	var v struct{ Version, ApiVersion, MinAPIVersion, Os string }
	if _, body := s.ask(t, "GET", "/v1.40/version", ""); json.Unmarshal([]byte(body), &v) != nil || v.Version != "1.2.3" || v.ApiVersion != docker.APIVersion || v.MinAPIVersion != "1.24" || v.Os != "linux" {
		t.Errorf("%+v", v)
	}
	for path, old := range map[string]bool{"/v1.49/info": true, "/info": false} {
		var i map[string]any
		_, body := s.ask(t, "GET", path, "")
		if err := json.Unmarshal([]byte(body), &i); err != nil {
			t.Fatal(err)
		}
		_, has := i["BridgeNfIptables"]
		if i["ServerVersion"] != "1.2.3" || i["OSType"] != "linux" || i["ClientInfo"] != nil || has != old {
			t.Errorf("%s: %s", path, body)
		}
	}
}

func TestEvents(t *testing.T) {
	s := serve(t)
	ctx, leave := context.WithCancel(t.Context())
	defer leave()
	r, err := http.NewRequestWithContext(ctx, "GET", `http://d/events?filters={"event":{"start":true,"die":true},"type":{"container":true}}`, nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := s.Do(r) // which returns once nothing is missed
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	for _, ev := range []struct{ kind, action string }{{"container", "start"}, {"container", "top"}, {"network", "start"}, {"container", "die"}} {
		if err := events.Append(s.e.Dirs.Root, events.New(ev.kind, ev.action, "id", map[string]string{"name": "web", "image": "<none>"})); err != nil {
			t.Fatal(err)
		}
	}
	in := bufio.NewScanner(resp.Body)
	for _, want := range []string{"start", "die"} {
		var ev events.Event
		if !in.Scan() || json.Unmarshal(in.Bytes(), &ev) != nil || ev.Action != want || ev.Type != "container" {
			t.Errorf("%s: %s", want, in.Text())
		}
	}
	leave()
	s.end() // which waits for the handler
	checkRefusals(t, serve(t), []refusal{
		{"GET", `/events?filters={"nosuch":["x"]}`, "", 400, "invalid filter 'nosuch'"},
		{"GET", "/events?since=x", "", 400, `failed to parse value as time or duration: "x"`},
		{"GET", "/events?since=20&until=10", "", 400, "`since` time (20) cannot be after `until` time (10)"},
	})
}
