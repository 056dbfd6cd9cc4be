// SPDX-License-Identifier: Apache-2.0

package docker

import (
	"encoding/json"
	"testing"

	"coracle/pkg/container"
	"coracle/pkg/network"
	"coracle/pkg/overlay"
)

// A record in which nothing stands, or that names what is not there, has an
// answer all the same: lists are made of many, and one must not end them.
func TestRecordsInWhichNothingStands(t *testing.T) {
	places := Places{Volume: func(string) string { return "" }}
	for name, c := range map[string]*container.Container{
		"empty":        {},
		"running":      {State: container.State{Status: container.Running}},
		"short ID":     {Record: container.Record{ID: "1", Net: container.Net{Mode: "x", Networks: []container.Endpoint{{Network: "x"}}}}},
		"no such kind": {Record: container.Record{Mounts: []container.Mount{{Type: "?"}}, Net: container.Net{Exposed: []string{"", "/", "99999999/tcp"}}}},
		"bad ports": {State: container.State{Status: container.Running, Ports: []network.Port{{}}}, Record: container.Record{
			Net: container.Net{Publish: []network.PortSpec{{}}, Networks: []container.Endpoint{{}}},
		}},
	} {
		if _, err := json.Marshal(InspectContainer(c, places)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if _, err := json.Marshal(Summarize(c, places, testTime)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := json.Marshal(InspectNetwork(network.Network{}, []network.Member{{}})); err != nil {
		t.Error(err)
	}
}

// Whatever a registry has given out as a configuration is either an error or an
// answer that can be written as JSON.
func FuzzImageConfiguration(f *testing.F) {
	for _, text := range []string{
		imageConfigText, "{}", "null", `{"config":null}`, `{"history":[{"created":null}]}`, `{"created":"0001-01-01T00:00:00Z"}`,
		`{"rootfs":{"diff_ids":["x",""]}}`, `{"config":{"ExposedPorts":{"x/y/z":{}},"Labels":{"":""},"Healthcheck":{"Interval":-1}}}`,
		`{"created":"9999-12-31T23:59:59.999999999Z"}`, `{"created":"-1"}`, `{"config":{"Env":[null]}}`,
	} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, config []byte) {
		d := overlay.Details{Image: overlay.Image{ID: imageID}, LayerSizes: []int64{1}, Config: config}
		img, err := InspectImage(d)
		items, herr := History(d)
		if (err == nil) != (herr == nil) {
			t.Fatalf("%v, but %v", err, herr)
		}
		if err != nil {
			return
		}
		if _, err := json.Marshal(img); err != nil {
			t.Fatal(err)
		}
		for i, h := range items {
			if (h.ID == "<missing>") == (i == 0) {
				t.Fatalf("step %d is %s", i, h.ID)
			}
		}
	})
}
