// SPDX-License-Identifier: Apache-2.0

package imagecmd_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"coracle/internal/testutil"
	"coracle/internal/testutil/commandline"
)

// registry answers searches with a text, to who has the password; and its name.
func registry(t *testing.T, answer string) string {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if user, password, _ := r.BasicAuth(); user != "me" || password != "secret" {
			w.Header().Set("WWW-Authenticate", "Basic realm=x")
			http.Error(w, `{"errors":[{"code":"UNAUTHORIZED","message":"authentication required"}]}`, http.StatusUnauthorized)
			return
		}
		if r.URL.Path != "/v2/" {
			_, _ = io.WriteString(w, answer)
		}
	}))
	t.Cleanup(srv.Close)
	return strings.TrimPrefix(srv.URL, "http://")
}

func TestSearch(t *testing.T) {
	h := commandline.New(t)
	host := registry(t, `{"results":[{"name":"team/app","star_count":4,"description":"an\u001b[2J application\nthat has more to say of itself than fits"},{"name":"app","is_official":true,"is_automated":true}]}`)
	r := h.Do("search", host+"/app")
	if r.Code != 1 || r.Out != "" || !strings.Contains(r.Err, "unexpected status code 401: authentication required") || !strings.Contains(r.Err, "log in with `coracle login "+host+"`") {
		t.Errorf("%+v", r)
	}
	h.Stdin = "secret"
	h.OK("login", "-u", "me", "--password-stdin", host)
	if got, want := h.Do("search", host+"/app").Out, "NAME       DESCRIPTION                                     STARS     OFFICIAL\n"+
		"team/app   an[2J application that has more to say of it…   4         \napp                                                        0         [OK]\n"; got != want {
		t.Errorf("%s, want\n%s", got, want)
	}
	for _, c := range []struct{ args, want string }{
		{"--no-trunc --limit 1 --format {{.Description}}", "an[2J application that has more to say of itself than fits"},
		{"-f stars=1 --format {{.Name}}", "team/app"},
		{"-f is-official=1 --format json", `{"Description":"","IsOfficial":"true","Name":"app","StarCount":"0"}`},
		{"-f stars=5 --format {{.Name}}", ""},
		{"-f is-automated=true --format {{.Name}}", ""},
		{"-f is-automated=false --format {{.Name}}{{.IsAutomated}}", "team/app\napp"},
	} {
		if got := h.OK(append(append([]string{"search"}, strings.Fields(c.args)...), host+"/app")...); got != c.want {
			t.Errorf("%s: %q, want %q", c.args, got, c.want)
		}
	}
	r = h.Do("search", "-f", "Is-Automated=false", host+"/app")
	testutil.Contains(t, r.Err, `WARNING: the "is-automated" filter is deprecated`)
}

// TestSearchFollowsTheConfiguration: it is the same as for pulls.
func TestSearchFollowsTheConfiguration(t *testing.T) {
	h := commandline.New(t)
	file := filepath.Join(t.TempDir(), "registries.conf")
	t.Setenv("CORACLE_REGISTRIES_CONF", file)
	if err := os.WriteFile(file, []byte("[[registry]]\nprefix = \"docker.io\"\nblocked = true\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	h.Fails(1, "registry is blocked by registries.conf: docker.io", "search", "busybox")
	h.Fails(1, "error decoding registry search results of 127.0.0.1:", "search", registryOfAll(t)+"/x")
}

// registryOfAll answers everything, with nothing.
func registryOfAll(t *testing.T) string {
	srv := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	t.Cleanup(srv.Close)
	return strings.TrimPrefix(srv.URL, "http://")
}
