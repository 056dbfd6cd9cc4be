// SPDX-License-Identifier: Apache-2.0

package dockerfile

import (
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/docker/go-units"

	"coracle/pkg/oci/registry"
)

// A request arrives as it was sent, with its files in their places.
func TestRequestOnItsWay(t *testing.T) {
	dir := t.TempDir()
	file := func(name string) *os.File {
		f, err := os.Create(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { f.Close() })
		return f
	}
	all := Request{
		ContextDir: "/c", Dockerfile: "/c/D", Source: file("source"), Archive: true, Tags: []string{"docker.io/library/x:1"},
		BuildArgs: map[string]string{"A": "1", "B": ""}, Labels: map[string]string{"l": "v"}, Target: "t", Platform: "linux/arm64",
		NetworkMode: "none", ExtraHosts: []string{"h:1.2.3.4"}, NoCache: true, NoCacheFilter: []string{"s"}, PullParent: true,
		Contexts: map[string]Context{"c": {Dir: "/d"}}, Ulimits: []units.Ulimit{{Name: "nofile", Hard: 2, Soft: 1}}, ShmSize: 7,
		Secrets: []Secret{{ID: "v", Value: []byte{0, 255}}, {ID: "f", File: file("secret")}, {ID: "p", Path: "/p"}},
		Outputs: []Destination{{Type: "local", Dir: "/o"}, {Type: "tar", File: file("tar")}}, RewriteTimes: true, TellPlan: true,
		Access: registry.Access{UserAgent: "me"},
	}
	for i := range reflect.TypeFor[Request]().NumField() {
		if reflect.ValueOf(all).Field(i).IsZero() {
			t.Errorf("%s is not tried", reflect.TypeFor[Request]().Field(i).Name)
		}
	}
	for _, r := range []Request{all, {}, {Secrets: all.Secrets[:1], Outputs: all.Outputs}} {
		p, files := pack(r)
		data, err := json.Marshal(p)
		if err != nil {
			t.Fatal(err)
		}
		var arrived parcel
		if err := json.Unmarshal(data, &arrived); err != nil {
			t.Fatal(err)
		}
		got, err := arrived.unpack(files)
		if err != nil || !reflect.DeepEqual(got, r) {
			t.Errorf("arrived as\n%+v, %v, want\n%+v", got, err, r)
		}
	}
}

func TestRequestWithoutItsFiles(t *testing.T) {
	for _, p := range []parcel{
		{Source: 1}, {Source: -1},
		{Request: Request{Secrets: make([]Secret, 1)}}, {Request: Request{Secrets: make([]Secret, 1)}, Secrets: []int{2}},
		{Request: Request{Outputs: make([]Destination, 2)}, Outputs: []int{0}}, {Outputs: []int{0}},
	} {
		if _, err := p.unpack(nil); err == nil || !strings.HasPrefix(err.Error(), "read request: ") {
			t.Errorf("%+v: error is %v", p, err)
		}
	}
}

func TestKeepsImage(t *testing.T) {
	for types, want := range map[string]bool{
		"": true, "image": true, "docker": true, "oci": true, "local": false, "tar": false, "cacheonly": false,
		"local tar": false, "local image": true, "oci cacheonly": true,
	} {
		var r Request
		for _, kind := range strings.Fields(types) {
			r.Outputs = append(r.Outputs, Destination{Type: kind})
		}
		if got := r.KeepsImage(); got != want {
			t.Errorf("%q: %t, want %t", types, got, want)
		}
	}
}

func TestCheck(t *testing.T) {
	for _, tt := range []struct {
		r       Request
		network string // of a RUN
		err     string
	}{
		{Request{}, "", ""},
		{Request{NetworkMode: "default"}, "", ""},
		{Request{NetworkMode: "bridge"}, "", ""},
		{Request{NetworkMode: "none", ExtraHosts: []string{"a:1.2.3.4", "b:host-gateway"}}, "none", ""},
		{Request{NetworkMode: "host"}, "host", ""},
		{Request{NetworkMode: "own"}, "own", `network mode "own" not supported by a build: use default, none or host`},
		{Request{NetworkMode: "container:x"}, "container:x", `network mode "container:x" not supported by a build: use default, none or host`},
		{Request{ExtraHosts: []string{"a"}}, "", `bad format for add-host: "a"`},
	} {
		if got := message(tt.r.Check()); got != tt.err {
			t.Errorf("%+v: error is %q, want %q", tt.r, got, tt.err)
		}
		if got := tt.r.runNetwork(); got != tt.network {
			t.Errorf("%+v: the network is %q, want %q", tt.r, got, tt.network)
		}
	}
}
