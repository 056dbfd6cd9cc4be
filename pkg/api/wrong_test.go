// SPDX-License-Identifier: Apache-2.0

package api

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"maps"
	"net/http"
	"net/url"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"coracle/pkg/container/client"
	"coracle/pkg/docker"
)

// parameters are those that endpoints have in their addresses, and what else stands there
// so that they get as far as to look at them. "of" is a container of the image one:1, "it"
// is removed and made again.
var parameters = []struct{ request, names string }{
	{"GET /containers/json", "all limit size filters"}, {"POST /containers/prune", "filters"}, {"POST /containers/create", "name platform"},
	{"GET /containers/of/json", "size"}, {"POST /containers/of/stop", "t signal"}, {"POST /containers/of/restart", "t signal checkpoint"}, {"POST /containers/of/start", "checkpoint checkpoint-dir"},
	{"POST /containers/of/kill", "signal"}, {"POST /containers/of/wait?condition=no", "condition"}, {"POST /containers/of/resize?h=1&w=1", "h w"}, {"GET /containers/of/top", "ps_args"},
	{"DELETE /containers/of?link=1", "v force link"}, {"POST /containers/of/rename", "name"}, {"GET /containers/of/logs?stdout=1", "stdout stderr since until tail timestamps details"},
	{"POST /containers/of/attach?stdout=1", "detachKeys logs stdin stdout stderr"}, {"GET /containers/of/stats?stream=0", "one-shot"},
	{"HEAD /containers/of/archive?path=/f", "path"}, {"GET /containers/of/archive?path=/f", "path"}, {"PUT /containers/of/archive?path=/", "path noOverwriteDirNonDir copyUIDGID"},
	{"GET /images/json", "all filters shared-size digests manifests filter"}, {"GET /images/get?names=one:1", "names platform"}, {"GET /images/one:1/get", "platform"}, {"GET /images/one:1/history", "platform"},
	{"GET /images/one:1/json", "platform manifests"}, {"POST /images/create?fromSrc=-", "fromSrc repo tag message changes platform"}, {"POST /images/create?fromImage=127.0.0.1:1/x", "platform"},
	{"POST /images/load", "quiet platform"}, {"POST /images/prune", "filters"}, {"POST /images/one:1/push?tag=none", "tag platform"}, {"POST /images/one:1/tag?repo=two", "repo tag"},
	{"DELETE /images/one:1", "platforms"}, {"DELETE /images/none:1", "force noprune platforms"}, {"POST /commit?container=of", "container repo tag comment author pause changes"},
	{"POST /build", "dockerfile t extrahosts remote q nocache pull rm forcerm memory memswap cpushares cpusetcpus cpuperiod cpuquota buildargs shmsize squash labels networkmode platform target outputs version isolation ulimits cachefrom securityopt cgroupparent session buildid"},
	{"POST /build/prune", "keep-storage reserved-space max-used-space min-free-space all filters"}, {"POST /build/cancel", "id"},
	{"GET /networks", "filters"}, {"GET /networks/none", "verbose scope"}, {"POST /networks/prune", "filters"}, {"GET /volumes", "filters"}, {"POST /volumes/prune", "filters"}, {"DELETE /volumes/none", "force"},
	{"GET /events?since=1&until=2", "since filters"}, {"GET /system/df", "type verbose"}, {"POST /exec/none/resize?h=1&w=1", "h w"},
	{"GET /plugins", "filters"}, {"GET /nodes", "filters"}, {"GET /services", "filters"}, {"GET /images/search?limit=3", "term limit filters"}, {"GET /distribution/127.0.0.1:1/json", "x"},
}

// wrongTexts are values that few parameters can have.
var wrongTexts = []string{
	"", "-1", "99999999999999999999", "x", "\x00", "{}", "[null]", `{"a":1}`, `{"os":"a/b/c/d"}`, "A:b:c", "../../etc/passwd", "FROM x",
}

// registryFailure reports whether an answer says that a registry is not there, which is
// the one failure that the engine may have over a request.
func registryFailure(body string) bool {
	return strings.Contains(body, "127.0.0.1:1: connect: connection refused") || strings.Contains(body, "no such host")
}

// TestOneWrongParameter: a value that a parameter cannot have is the client's mistake, and
// the answer says so.
func TestOneWrongParameter(t *testing.T) {
	s := serve(t)
	s.Timeout = time.Minute
	s.imported(t, "&repo=one&tag=1")
	t.Cleanup(func() { s.noContainers(t) })
	create := func(name string) {
		s.ask(t, "DELETE", "/containers/"+name+"?force=1", "")
		get[any](t, s, "POST", "/containers/create?name="+name, `{"Image":"one:1","Cmd":["x"],"HostConfig":{"NetworkMode":"none"}}`, 201)
	}
	create("of")
	known := map[string]bool{}
	for _, e := range routes() {
		known[e.method+" "+e.pattern] = true
	}
	for _, p := range parameters {
		method, rest, _ := strings.Cut(p.request, " ")
		path, query, _ := strings.Cut(rest, "?")
		for _, name := range strings.Fields(p.names) {
			for _, value := range wrongTexts {
				q, err := url.ParseQuery(query)
				if err != nil {
					t.Fatal(err)
				}
				q.Set(name, value)
				if q.Has("condition") { // no value of it, and this container never ends
					if value == "" || value == "not-running" {
						continue
					}
				}
				body := ""
				if path == "/containers/create" {
					body = `{"Image":"one:1","Cmd":["x"]}`
				}
				resp, text := s.ask(t, method, path+"?"+q.Encode(), body)
				if !sound(resp.StatusCode) && !registryFailure(text) {
					t.Errorf("%s with %s=%.40q: %d %.200s", p.request, name, value, resp.StatusCode, text)
				}
				if resp.StatusCode == http.StatusNoContent && name == "name" { // it has another name now
					create("of")
				}
			}
		}
	}
	s.end()
	if strings.Contains(s.log.String(), "panic") {
		t.Errorf("%s", s.log)
	}
}

// noContainers removes all that there are, with what images they have.
func (s *served) noContainers(t *testing.T) {
	list, err := s.e.containers().Readable()
	if err != nil {
		t.Error(err)
	}
	for _, c := range list {
		if err := client.Remove(context.Background(), s.e.containers(), c, true, true); err != nil {
			t.Error(err)
		}
	}
}

// sample is a value of a type with something in each of its fields, as JSON has it.
func sample(t reflect.Type, depth int) any {
	switch t.Kind() {
	case reflect.Pointer:
		return sample(t.Elem(), depth)
	case reflect.Slice, reflect.Array:
		if t.Elem().Kind() == reflect.Uint8 || depth > 6 {
			return nil
		}
		return []any{sample(t.Elem(), depth+1)}
	case reflect.Map:
		return map[string]any{"k": sample(t.Elem(), depth+1)}
	case reflect.Struct:
		if reflect.PointerTo(t).Implements(reflect.TypeFor[json.Unmarshaler]()) || depth > 6 {
			return nil
		}
		all := map[string]any{}
		for i := range t.NumField() {
			f := t.Field(i)
			name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
			switch {
			case !f.IsExported() || name == "-":
			case f.Anonymous && name == "":
				if inner, ok := sample(f.Type, depth).(map[string]any); ok {
					maps.Copy(all, inner)
				}
			case name == "":
				all[f.Name] = sample(f.Type, depth+1)
			default:
				all[name] = sample(f.Type, depth+1)
			}
		}
		return all
	}
	return nil
}

// places calls f for each place in a value: with the names that lead to it.
func places(v any, to []string, f func(to []string)) {
	if len(to) > 0 {
		f(to)
	}
	switch v := v.(type) {
	case map[string]any:
		for _, k := range slices.Sorted(maps.Keys(v)) {
			places(v[k], append(slices.Clip(to), k), f)
		}
	case []any:
		for _, e := range v {
			places(e, append(slices.Clip(to), "[]"), f)
		}
	}
}

// at is what has one value at a place, and nothing beside what base has.
func at(base map[string]any, to []string, value any) map[string]any {
	var wrap func(base any, to []string) any
	wrap = func(base any, to []string) any {
		if len(to) == 0 {
			return value
		}
		if to[0] == "[]" {
			return []any{wrap(nil, to[1:])}
		}
		all := map[string]any{}
		if m, ok := base.(map[string]any); ok {
			maps.Copy(all, m)
		}
		all[to[0]] = wrap(all[to[0]], to[1:])
		return all
	}
	all, _ := wrap(base, to).(map[string]any)
	return all
}

// TestOneWrongField: the same of the fields of bodies.
func TestOneWrongField(t *testing.T) {
	s := serve(t)
	s.Timeout = time.Minute
	s.imported(t, "&repo=one&tag=1")
	t.Cleanup(func() { s.noContainers(t) })
	container := map[string]any{"Image": "one:1", "Cmd": []any{"x"}, "HostConfig": map[string]any{"NetworkMode": "none"}}
	create := func() string {
		data, err := json.Marshal(container)
		if err != nil {
			t.Fatal(err)
		}
		return get[struct{ Id string }](t, s, "POST", "/containers/create", string(data), 201).Id //nolint:revive,staticcheck // Docker's name
	}
	of := create()
	values := []any{"x", "\x00", -1, 1 << 40, map[string]any{"1/x": []any{}}}
	for _, tt := range []struct {
		request string
		body    reflect.Type
		base    map[string]any
	}{
		{"POST /containers/create", reflect.TypeFor[createBody](), container},
		{"POST /containers/" + of + "/update", reflect.TypeFor[docker.UpdateRequest](), nil},
		{"POST /containers/" + of + "/exec", reflect.TypeFor[docker.ExecRequest](), map[string]any{"Cmd": []any{"x"}}},
		{"POST /networks/create", reflect.TypeFor[docker.NetworkRequest](), map[string]any{"Name": "net"}},
		{"POST /networks/none/connect", reflect.TypeFor[docker.ConnectRequest](), map[string]any{"Container": of}},
		{"POST /volumes/create", reflect.TypeFor[docker.VolumeRequest](), map[string]any{"Name": "vol"}},
		{"POST /commit?container=" + of, reflect.TypeFor[docker.Config](), nil},
	} {
		method, path, _ := strings.Cut(tt.request, " ")
		tried := 0
		places(sample(tt.body, 0), nil, func(to []string) {
			for _, v := range values {
				tried++
				data, err := json.Marshal(at(tt.base, to, v))
				if err != nil {
					t.Fatal(err)
				}
				resp, text := s.ask(t, method, path, string(data))
				if !sound(resp.StatusCode) && !strings.Contains(text, "could not select device driver") { // which is a failure of Docker's, too
					t.Errorf("%s %.300s: %d %.300s", tt.request, data, resp.StatusCode, text)
				}
				var made struct{ ID, Name string }
				if resp.StatusCode == http.StatusCreated && json.Unmarshal([]byte(text), &made) == nil {
					switch path {
					case "/containers/create":
						s.ask(t, "DELETE", "/containers/"+made.ID+"?force=1&v=1", "")
					case "/networks/create":
						s.ask(t, "DELETE", "/networks/"+made.ID, "")
					case "/volumes/create":
						s.ask(t, "DELETE", "/volumes/"+made.Name, "")
					}
				}
			}
		})
		if tried < 50 {
			t.Errorf("%s: %d bodies tried", tt.request, tried)
		}
	}
	s.end()
	if bytes.Contains(s.log.Bytes(), []byte("panic")) {
		t.Errorf("%s", s.log)
	}
}

// TestWrongArchives: what is no archive of images is told in the stream, which has begun,
// and what is none of files is the client's mistake.
func TestWrongArchives(t *testing.T) {
	s := serve(t)
	t.Cleanup(func() { s.noImages(t) })
	whole := archive(t, "f", strings.Repeat("x", 3000))
	bad := map[string][]byte{"text": []byte("x"), "garbage": bytes.Repeat([]byte("garbage "), 200), "half a header": whole[:300], "half a file": whole[:1600]}
	for form, data := range packed(t, whole) {
		bad["half in "+form] = data[:len(data)/2]
	}
	for name, data := range bad {
		for _, q := range []string{"", "?quiet=0", "?quiet=1"} {
			code, text := s.send(t, "/images/load"+q, bytes.NewReader(data))
			if _, end := streamOf(t, text); code != 200 || end.Error == "" || end.Error != end.ErrorDetail.Message {
				t.Errorf("load %s, %s: %d %s", name, q, code, text)
			}
		}
		if code, text := s.send(t, "/images/create?fromSrc=-", bytes.NewReader(data)); code != 400 || sentence(text) == "" {
			t.Errorf("import %s: %d %s", name, code, text)
		}
	}
}

// TestLoginStatus: credentials that are not taken are told from addresses that are none.
func TestLoginStatus(t *testing.T) {
	s, host := serve(t), private(t)
	for body, want := range map[string]int{
		`{"serveraddress":"` + host + `","username":"me","password":"secret"}`: 200, `{"serveraddress":"http://` + host + `/v2/","username":"me","password":"secret"}`: 200,
		`{"serveraddress":"` + host + `","username":"me","password":"wrong"}`: 401, `{"serveraddress":"` + host + `"}`: 401,
		`{"serveraddress":"http://["}`: 400, `{"serveraddress":"ftp://x"}`: 400, `{"serveraddress":"a b"}`: 400, `{"serveraddress":"\u0000"}`: 400, `{"serveraddress":"localhost:99999"}`: 400,
		`{"serveraddress":"127.0.0.1:1"}`: 500, // as Docker's: nobody is there
	} {
		if resp, text := s.ask(t, "POST", "/auth", body); resp.StatusCode != want || want != 200 && sentence(text) == "" {
			t.Errorf("%s: %d %s, want %d", body, resp.StatusCode, text, want)
		}
	}
}

// TestPutNoArchive: what is no archive, or a part of one, is the client's mistake.
func TestPutNoArchive(t *testing.T) {
	s := serve(t)
	s.imported(t, "&repo=one&tag=1")
	t.Cleanup(func() { s.noContainers(t) })
	get[any](t, s, "POST", "/containers/create?name=of", `{"Image":"one:1","Cmd":["x"],"HostConfig":{"NetworkMode":"none"}}`, 201)
	for what, body := range map[string]string{"garbage": "garbage", "a block": strings.Repeat("x", 2000), "half": string(archive(t, "f", "text")[:514])} {
		if resp, text := s.ask(t, "PUT", "/containers/of/archive?path=/", body); resp.StatusCode != 400 || !strings.HasPrefix(sentence(text), "copy to /: ") {
			t.Errorf("%s: %d %s", what, resp.StatusCode, text)
		}
	}
}

// TestStatOfContents: what is in a directory has no name.
func TestStatOfContents(t *testing.T) {
	s := serve(t)
	s.imported(t, "&repo=one&tag=1")
	t.Cleanup(func() { s.noContainers(t) })
	get[any](t, s, "POST", "/containers/create?name=of", `{"Image":"one:1","Cmd":["x"],"HostConfig":{"NetworkMode":"none"}}`, 201)
	for path, want := range map[string]string{"/f": "f", "f": "f", "/": "/", "/.": ".", ".": ".", "/etc": "etc", "/etc/": "etc", "/etc/.": ".", "etc/../f": "f"} {
		for _, method := range []string{"HEAD", "GET"} {
			resp, text := s.ask(t, method, "/containers/of/archive?path="+url.QueryEscape(path), "")
			if strings.HasPrefix(path, "/etc") && resp.StatusCode == 404 { // this image has none until it is started
				continue
			}
			data, err := base64.StdEncoding.DecodeString(resp.Header.Get("X-Docker-Container-Path-Stat"))
			var stat struct{ Name string }
			if err != nil || json.Unmarshal(data, &stat) != nil || stat.Name != want {
				t.Errorf("%s %s: %d, %q, want %q: %.100s", method, path, resp.StatusCode, data, want, text)
			}
		}
	}
}
