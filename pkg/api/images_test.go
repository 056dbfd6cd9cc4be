// SPDX-License-Identifier: Apache-2.0

package api

import (
	"archive/tar"
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/registry"
	moby "github.com/moby/moby/api/types/image"
	api "github.com/moby/moby/api/types/registry"

	"coracle/pkg/dockerfile"
	"coracle/pkg/image"
)

// archive is a tar archive of files with text.
func archive(t *testing.T, files ...string) []byte {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for i := 0; i < len(files); i += 2 {
		h := &tar.Header{Name: files[i], Typeflag: tar.TypeReg, Size: int64(len(files[i+1])), Mode: 0o644}
		if err := w.WriteHeader(h); err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(w, files[i+1]); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// send sends bytes, and returns the status and the answer.
func (s *served) send(t *testing.T, path string, body io.Reader, headers ...string) (int, string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://d"+path, body)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/x-tar")
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	resp, text := s.answer(t, r)
	return resp.StatusCode, text
}

// noImages removes all that is left of images and builds.
func (s *served) noImages(t *testing.T) {
	ctx := context.Background()
	ix, err := s.e.images().Index(ctx)
	if err != nil {
		t.Error(err)
		return
	}
	r := image.PruneRequest{All: true}
	for _, img := range ix.Images {
		r.IDs = append(r.IDs, img.ID)
	}
	_, err = s.e.images().Prune(ctx, r)
	if _, cerr := dockerfile.PruneCache(ctx, s.e.Dirs, dockerfile.PruneCacheRequest{All: true}); err != nil || cerr != nil {
		t.Error(err, cerr)
	}
}

// lines are the messages of a stream.
func lines(t *testing.T, text string) (list []message) {
	t.Helper()
	for _, l := range strings.Split(strings.TrimSpace(text), "\n") {
		var m message
		if err := json.Unmarshal([]byte(l), &m); err != nil {
			t.Fatalf("%q: %v", l, err)
		}
		list = append(list, m)
	}
	return list
}

// imported makes an image of one file, which goes with the test: files in layers
// may be somebody else's.
func (s *served) imported(t *testing.T, query string) (id string) {
	t.Helper()
	t.Cleanup(func() { s.noImages(t) })
	code, text := s.send(t, "/images/create?fromSrc=-"+query, bytes.NewReader(archive(t, "f", query)))
	list := lines(t, text)
	if code != 200 || len(list) != 1 || !strings.HasPrefix(list[0].Status, "sha256:") {
		t.Fatalf("import: %d %s", code, text)
	}
	return list[0].Status
}

func TestImages(t *testing.T) {
	s := serve(t)
	id := s.imported(t, "&repo=one&tag=1&message=hello&changes=LABEL+a%3Db&changes=CMD+%5B%22x%22%5D")
	list := get[[]moby.Summary](t, s, "GET", "/images/json", "", 200)
	if len(list) != 1 || list[0].ID != id || !slices.Equal(list[0].RepoTags, []string{"one:1"}) || list[0].Labels["a"] != "b" || list[0].Containers != 0 || list[0].SharedSize != -1 {
		t.Errorf("%+v", list)
	}
	if old := get[[]map[string]any](t, s, "GET", "/v1.43/images/json", "", 200)[0]; old["VirtualSize"] != old["Size"] || old["Containers"] != -1.0 {
		t.Errorf("before 1.44: %v", old)
	}
	get[any](t, s, "POST", "/images/one:1/tag?repo=registry.example:5000/a/b&tag=2", "", 201)
	img := get[map[string]any](t, s, "GET", "/images/registry.example:5000/a/b:2/json", "", 200)
	if img["Id"] != id || img["VirtualSize"] != nil || img["ContainerConfig"] != nil || img["Architecture"] == "" {
		t.Errorf("%v", img)
	}
	for path, old := range map[string]bool{"/images/one:1/json": false, "/v1.50/images/one:1/json": false, "/v1.49/images/one:1/json": true} {
		config, _ := get[map[string]any](t, s, "GET", path, "", 200)["Config"].(map[string]any)
		_, host := config["Hostname"]
		_, build := config["OnBuild"]
		if host != old || !build && !old || fmt.Sprint(config["Cmd"]) != "[x]" {
			t.Errorf("%s: %v", path, config)
		}
	}
	if old := get[map[string]any](t, s, "GET", "/v1.40/images/one:1/json", "", 200); old["VirtualSize"] == nil || old["ContainerConfig"] == nil {
		t.Errorf("before 1.44: %v", old)
	}
	if h := get[[]moby.HistoryResponseItem](t, s, "GET", "/images/one:1/history", "", 200); len(h) != 1 || h[0].ID != id || h[0].Comment != "hello" {
		t.Errorf("%+v", h)
	}
	for query, want := range map[string]int{
		filters(`{"reference":["one"]}`): 1, filters(`{"reference":{"two":true}}`): 0, filters(`{"label":["a=b"]}`): 1, filters(`{"dangling":["true"]}`): 0, "?shared-size=1": 1,
	} {
		if got := get[[]moby.Summary](t, s, "GET", "/images/json"+query, "", 200); len(got) != want {
			t.Errorf("%s: %+v", query, got)
		}
	}
	if got := get[[]moby.Summary](t, s, "GET", "/v1.40/images/json?filter=nosuch", "", 200); len(got) != 0 {
		t.Errorf("an old filter: %+v", got)
	}
	checkRefusals(t, s, []refusal{
		{"GET", "/images/nosuch/json", "", 404, "No such image: nosuch:latest"},
		{"GET", "/images/one:1/json?platform=%7B%22os%22:%22linux%22,%22architecture%22:%22s390x%22%7D", "", 404, "image with reference one:1 was found but does not provide the specified platform (linux/s390x)"},
		{"GET", "/images/one:1/json?platform=x", "", 400, ""},
		{"GET", "/images/one:1/json?manifests=1&platform=x", "", 400, "conflicting options: manifests and platform options cannot both be set"},
		{"GET", "/images/nosuch/history", "", 404, "No such image: nosuch:latest"},
		{"GET", "/images/json" + filters(`{"x":["y"]}`), "", 400, "invalid filter 'x'"},
		{"GET", "/images/json" + filters(`{"before":["nosuch"]}`), "", 404, "No such image: nosuch:latest"},
		{"POST", "/images/nosuch/tag?repo=a", "", 404, "No such image: nosuch:latest"},
		{"POST", "/images/one:1/tag?repo=A", "", 400, "invalid reference format: repository name (library/A) must be lowercase"},
		{"DELETE", "/images/nosuch", "", 404, "No such image: nosuch:latest"},
		{"DELETE", "/images/" + strings.TrimPrefix(id, "sha256:"), "", 409, ""},
		{"GET", "/images/nosuch/get", "", 404, "No such image: nosuch:latest"},
		{"GET", "/images/get", "", 400, ""},
		{"GET", "/images/search?term=x&limit=many", "", 400, `invalid limit specified: strconv.Atoi: parsing "many": invalid syntax`},
		{"GET", "/images/search?term=x&limit=101", "", 400, "limit 101 is outside the range of [1, 100]"},
		{"GET", "/images/search?term=http://x/y", "", 400, "invalid repository name: repository name (http://x/y) should not have a scheme"},
		{"GET", "/images/search" + filters(`{"stars":["many"]}`), "", 400, `invalid filter 'stars=many': strconv.Atoi: parsing "many": invalid syntax`},
		{"GET", "/images/search" + filters(`{"x":["y"]}`), "", 400, "invalid filter 'x'"},
		{"POST", "/images/create", "", 400, ""},
		{"POST", "/images/create?fromSrc=http://x/y", "", 501, ""},
		{"POST", "/images/create?fromImage=A", "", 400, ""},
		{"POST", "/images/create?fromImage=a&platform=a/b/c/d", "", 400, `"a/b/c/d" is an invalid OS component of platform: platform specifier component must match [os[/arch[/variant]]]`},
		{"POST", "/images/create?fromSrc=-&repo=A", "", 400, "invalid reference format: repository name (library/A) must be lowercase"},
		{"POST", "/containers/create?platform=a/b/c/d", `{"Image":"one:1"}`, 400, `"a/b/c/d" is an invalid OS component of platform: platform specifier component must match [os[/arch[/variant]]]`},
		{"POST", "/images/nosuch/push?tag=sha256:x", "", 400, ""},
		{"POST", "/commit?container=nosuch", "", 404, "No such container: nosuch"},
	})
	for path, want := range map[string]string{
		"/images/nosuch/push": "An image does not exist locally with the tag: nosuch", "/images/one/push?tag=nosuch": "tag does not exist: one:nosuch",
	} {
		_, body := s.ask(t, "POST", path, "")
		if l := lines(t, body); len(l) != 2 || !strings.HasPrefix(l[0].Status, "The push refers to repository [") || l[1].Error != want {
			t.Errorf("%s: %s", path, body)
		}
	}
	gone := get[[]moby.DeleteResponse](t, s, "DELETE", "/images/registry.example:5000/a/b:2", "", 200)
	if !slices.Equal(gone, []moby.DeleteResponse{{Untagged: "registry.example:5000/a/b:2"}}) {
		t.Errorf("%v", gone)
	}
	if gone := get[[]moby.DeleteResponse](t, s, "DELETE", "/images/one:1", "", 200); len(gone) != 3 || gone[1].Deleted != id {
		t.Errorf("%v", gone)
	}
	s.imported(t, "")
	if p := get[moby.PruneReport](t, s, "POST", "/images/prune", "", 200); len(p.ImagesDeleted) != 1 {
		t.Errorf("%+v", p)
	}
}

func TestSaveAndLoad(t *testing.T) {
	s := serve(t)
	id := s.imported(t, "&repo=one")
	s.imported(t, "&repo=two")
	resp, data := s.ask(t, "GET", "/images/get?names=one&names=two", "")
	if resp.StatusCode != 200 || resp.Header.Get("Content-Type") != "application/x-tar" {
		t.Fatal(resp)
	}
	for _, n := range []string{"one", "two"} {
		get[any](t, s, "DELETE", "/images/"+n, "", 200)
	}
	code, text := s.send(t, "/images/load?quiet=0", strings.NewReader(data))
	if code != 200 || !strings.Contains(text, `{"stream":"Loaded image: one:latest\n"}`) || !strings.Contains(text, `{"stream":"Loaded image: two:latest\n"}`) {
		t.Errorf("%d %s", code, text)
	}
	if img := get[map[string]any](t, s, "GET", "/images/one/json", "", 200); img["Id"] != id {
		t.Errorf("%v", img)
	}
	if code, text := s.send(t, "/images/load", strings.NewReader("no archive")); code == 200 && !strings.Contains(text, "errorDetail") {
		t.Errorf("%d %s", code, text)
	}
	if code, text := s.send(t, "/images/create?fromSrc=-", strings.NewReader(data[:len(data)/2])); code == 200 && !strings.Contains(text, "errorDetail") {
		t.Errorf("half an archive: %d %s", code, text)
	}
}

// private is a registry that lets in who has the password, and its name.
func private(t *testing.T) string {
	inner := registry.New(registry.Logger(log.New(io.Discard, "", 0)))
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if user, password, _ := r.BasicAuth(); user != "me" || password != "secret" {
			w.Header().Set("WWW-Authenticate", "Basic realm=x")
			http.Error(w, `{"errors":[{"code":"UNAUTHORIZED","message":"authentication required"}]}`, http.StatusUnauthorized)
			return
		}
		inner.ServeHTTP(w, r)
	}))
	t.Cleanup(srv.Close)
	return strings.TrimPrefix(srv.URL, "http://")
}

// TestCredentials: what comes along with a request is for that request alone, in
// any form of base64.
func TestCredentials(t *testing.T) {
	s, host := serve(t), private(t)
	s.e.Access.ConfigDir = t.TempDir()
	name := host + "/a/one"
	s.imported(t, "&repo="+name+"&tag=1")
	auth, err := json.Marshal(api.AuthConfig{Username: "me", Password: "secret", ServerAddress: host})
	if err != nil {
		t.Fatal(err)
	}
	push := "/images/" + name + "/push?tag=1"
	for _, e := range []*base64.Encoding{base64.URLEncoding, base64.RawURLEncoding, base64.StdEncoding} {
		code, text := s.send(t, push, nil, "X-Registry-Auth", e.EncodeToString(auth))
		last := lines(t, text)[len(lines(t, text))-1]
		aux, _ := last.Aux.(map[string]any)
		if code != 200 || aux["Tag"] != "1" || !strings.HasPrefix(aux["Digest"].(string), "sha256:") || !strings.Contains(text, "The push refers to repository ["+name+"]") {
			t.Errorf("%d %s", code, text)
		}
	}
	for _, none := range []string{base64.URLEncoding.EncodeToString([]byte("{}")), "%%%"} {
		if _, text := s.send(t, push, nil, "X-Registry-Auth", none); !strings.Contains(text, "push access denied for "+name) {
			t.Errorf("%s: %s", none, text)
		}
	}
	get[any](t, s, "DELETE", "/images/"+name+":1", "", 200)
	pull := "/images/create?fromImage=" + name + "&tag=1"
	code, text := s.send(t, pull, nil)
	if code != 404 || !strings.HasPrefix(sentence(text), "pull access denied for "+name+", repository does not exist or may require 'docker login'") {
		t.Errorf("%d %s", code, text)
	}
	code, text = s.send(t, pull, nil, "X-Registry-Auth", base64.URLEncoding.EncodeToString(auth))
	list := lines(t, text)
	if code != 200 || list[0].ID != "1" || list[0].Status != "Pulling from a/one" || !strings.HasPrefix(list[len(list)-1].Status, "Status: Downloaded newer image for") {
		t.Errorf("%d %s", code, text)
	}
	_, text = s.ask(t, "GET", "/distribution/"+name+":1/json", "")
	if !strings.Contains(text, "unauthorized") && !strings.Contains(text, "denied") {
		t.Errorf("distribution: %s", text)
	}
	r, err := http.NewRequestWithContext(t.Context(), "GET", "http://d/distribution/"+name+":1/json", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("X-Registry-Auth", base64.URLEncoding.EncodeToString(auth))
	resp, err := s.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var d api.DistributionInspect
	if err := json.NewDecoder(resp.Body).Decode(&d); err != nil || d.Descriptor.Digest == "" || len(d.Platforms) != 1 || d.Platforms[0].OS != "linux" {
		t.Errorf("%+v, %v", d, err)
	}
}

// TestSearch: what a registry has, by its index or by its catalog, with what comes
// along.
func TestSearch(t *testing.T) {
	s, host := serve(t), private(t)
	s.e.Access.ConfigDir = t.TempDir()
	s.imported(t, "&repo="+host+"/a/one&tag=1")
	auth, err := json.Marshal(api.AuthConfig{Username: "me", Password: "secret", ServerAddress: host})
	if err != nil {
		t.Fatal(err)
	}
	encoded := base64.URLEncoding.EncodeToString(auth)
	if code, text := s.send(t, "/images/"+host+"/a/one/push?tag=1", nil, "X-Registry-Auth", encoded); code != 200 || strings.Contains(text, "errorDetail") {
		t.Fatalf("%d %s", code, text)
	}
	search := func(path, auth string) (int, string) {
		r, err := http.NewRequestWithContext(t.Context(), "GET", "http://d"+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("X-Registry-Auth", auth)
		resp, text := s.answer(t, r)
		return resp.StatusCode, text
	}
	const one = `[{"star_count":0,"is_official":false,"name":"a/one","is_automated":false,"description":""}]` + "\n"
	for path, want := range map[string]string{
		"?term=" + host + "/one": one, "?limit=0&term=" + host + "/": one, "?term=" + host + "/two": "[]\n",
		filters(`{"is-official":["true"]}`) + "&term=" + host + "/one": "[]\n", filters(`{"is-automated":{"true":true}}`) + "&term=nowhere.invalid/x": "[]\n",
	} {
		if code, text := search("/images/search"+path, encoded); code != 200 || text != want {
			t.Errorf("%s: %d %s", path, code, text)
		}
	}
	if code, text := search("/v1.24/images/search?term="+host+"/", "{}"); code != 500 || !strings.HasPrefix(sentence(text), "unexpected status code 401: authentication required (not everybody may ask "+host) {
		t.Errorf("%d %s", code, text)
	}
}

// TestLeave: a client that goes away in the middle of an archive leaves nothing.
func TestLeave(t *testing.T) {
	s := serve(t)
	conn, err := net.Dial("unix", s.socket)
	if err != nil {
		t.Fatal(err)
	}
	data := archive(t, "f", strings.Repeat("x", 5000))
	fmt.Fprintf(conn, "POST /images/create?fromSrc=-&repo=half HTTP/1.1\r\nHost: d\r\nContent-Type: application/x-tar\r\nContent-Length: %d\r\n\r\n", len(data))
	if _, err := conn.Write(data[:3000]); err != nil {
		t.Fatal(err)
	}
	conn.Close()
	s.end()
	ix, err := s.e.images().Index(t.Context())
	if err != nil || len(ix.Images) > 0 {
		t.Errorf("%+v, %v", ix, err)
	}
}

func TestBar(t *testing.T) {
	if got := bar(50, 100); got != "[=========================>                         ]      50B/100B" {
		t.Errorf("%q", got)
	}
	if got := bar(300, 100); !strings.HasPrefix(got, "["+strings.Repeat("=", 50)+">]") {
		t.Errorf("%q", got)
	}
}
