// SPDX-License-Identifier: Apache-2.0

package registry

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	api "github.com/moby/moby/api/types/registry"
)

// asked is a registry that notes what it was asked for.
type asked struct {
	mu   sync.Mutex
	list []string
}

func (a *asked) by(f http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		a.mu.Lock()
		a.list = append(a.list, r.URL.RequestURI())
		a.mu.Unlock()
		f(w, r)
	}
}

func (a *asked) text() string {
	a.mu.Lock()
	defer a.mu.Unlock()
	return strings.Join(a.list, " ")
}

// v1 answers searches as Docker Hub's index does, and is asked for nothing else.
func v1(results ...api.SearchResult) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/v1/search" {
			_ = json.NewEncoder(w).Encode(api.SearchResults{NumResults: len(results), Query: r.FormValue("q"), Results: results})
			return
		}
		http.NotFound(w, r)
	}
}

// catalog answers with names, so many at a time.
func catalog(page int, names ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/v2/":
		case "/v2/_catalog":
			from := slices.Index(names, r.FormValue("last")) + 1
			to := min(from+page, len(names))
			if to < len(names) {
				w.Header().Set("Link", fmt.Sprintf(`</v2/_catalog?last=%s&n=%d>; rel="next"`, names[to-1], page))
			}
			_ = json.NewEncoder(w).Encode(map[string]any{"repositories": names[from:to]})
		default:
			http.NotFound(w, r)
		}
	}
}

// at is a search at a registry that f is.
func at(t *testing.T, auth string, f http.HandlerFunc, r SearchRequest) ([]api.SearchResult, error) {
	t.Helper()
	repo := serve(t, auth, f)
	if r.Domain == "" {
		r.Domain = repo.domain
	}
	if r.Limit == 0 {
		r.Limit = 25
	}
	return repo.c.Search(t.Context(), r)
}

func names(list []api.SearchResult) string {
	var all []string
	for _, f := range list {
		all = append(all, f.Name)
	}
	return strings.Join(all, " ")
}

func TestSearchByTheFirstProtocol(t *testing.T) {
	yes, no := true, false
	hub := v1(api.SearchResult{Name: "one", StarCount: 9, IsOfficial: true, IsAutomated: true}, api.SearchResult{Name: "two", StarCount: 5, Description: "a"}, api.SearchResult{Name: "three"})
	for _, c := range []struct {
		r    SearchRequest
		want string
	}{
		{SearchRequest{}, "one two three"}, {SearchRequest{Limit: 2}, "one two"}, {SearchRequest{Stars: 5}, "one two"}, {SearchRequest{Stars: 6}, "one"},
		{SearchRequest{Official: &yes}, "one"}, {SearchRequest{Official: &no}, "two three"}, {SearchRequest{Official: &no, Limit: 1}, "two"},
	} {
		var a asked
		c.r.Term = "x y&n=1"
		got, err := at(t, "", a.by(hub), c.r)
		if err != nil || names(got) != c.want || got[0].IsAutomated { //nolint:staticcheck // deprecated
			t.Errorf("%+v: %+v, %v", c.r, got, err)
		}
		if want := fmt.Sprintf("/v2/ /v1/search?n=%d&q=x+y%%26n%%3D1", cmp.Or(c.r.Limit, 25)); a.text() != want {
			t.Errorf("asked %s, want %s", a.text(), want)
		}
	}
	none, err := at(t, "", func(http.ResponseWriter, *http.Request) { t.Error("was asked") }, SearchRequest{Automated: true})
	if none == nil || len(none) > 0 || err != nil {
		t.Errorf("%v, %v", none, err)
	}
	if none, err := at(t, "", v1(), SearchRequest{Term: "x"}); none == nil || len(none) > 0 || err != nil {
		t.Errorf("nothing is no list: %v, %v", none, err)
	}
}

func TestSearchOfACatalog(t *testing.T) {
	list := []string{"app/one", "app/two", "base", "library/app", "other", "app", "tools/app-x"}
	for _, c := range []struct {
		r           SearchRequest
		want, asked string
	}{
		{SearchRequest{Term: "app"}, "app app/one app/two library/app tools/app-x", "/v2/ /v1/search?n=25&q=app /v2/_catalog /v2/_catalog?last=base&n=3 /v2/_catalog?last=app&n=3"},
		{SearchRequest{Term: "APP/"}, "app/one app/two", ""},
		{SearchRequest{Term: "app", Limit: 2}, "app/one app/two", "/v2/ /v1/search?n=2&q=app /v2/_catalog"},
		{SearchRequest{Term: ""}, strings.Join(list, " "), "/v2/ /v2/_catalog /v2/_catalog?last=base&n=3 /v2/_catalog?last=app&n=3"},
		{SearchRequest{Term: "nosuch"}, "", ""},
		{SearchRequest{Term: "app", Stars: 1}, "", ""},
	} {
		var a asked
		got, err := at(t, "", a.by(catalog(3, list...)), c.r)
		if err != nil || names(got) != c.want {
			t.Errorf("%+v: %s, %v", c.r, names(got), err)
		}
		if c.asked != "" && a.text() != c.asked {
			t.Errorf("%+v: asked %s", c.r, a.text())
		}
	}
}

// What is of registries says where a search goes: to the registry first, and to its
// mirrors when nobody is there.
func TestSearchAtMirrors(t *testing.T) {
	mirror := serve(t, "", catalog(10, "hub/library/busybox", "hub/team/busybox-x", "else/busybox", "hub/other"))
	here := mirror.endpoints[0].host
	gone := httptest.NewServer(nil)
	gone.Close()
	nobody := strings.TrimPrefix(gone.URL, "http://")
	c := &Client{config: Config{Registries: []Entry{
		{Prefix: "docker.io", Location: nobody, Mirrors: []Mirror{{Location: nobody + "/x"}, {Location: here + "/hub"}}},
		{Location: "refuses.example", Mirrors: []Mirror{{Location: nobody}}},
		{Prefix: "moved.example", Location: here},
		{Prefix: "moved.example/team", Location: nobody},
		{Prefix: "bad.example", Blocked: true},
	}}}
	yes := true
	for _, r := range []struct {
		r    SearchRequest
		want string
	}{
		{SearchRequest{Domain: "docker.io", Term: "busybox"}, "busybox team/busybox-x"},
		{SearchRequest{Domain: "docker.io", Term: "busybox", Official: &yes}, "busybox"},
		{SearchRequest{Domain: "moved.example", Term: "busy"}, "hub/library/busybox hub/team/busybox-x else/busybox"},
	} {
		r.r.Limit = 25
		if got, err := c.Search(t.Context(), r.r); err != nil || names(got) != r.want {
			t.Errorf("%+v: %s, %v", r.r, names(got), err)
		}
	}
	if _, err := c.Search(t.Context(), SearchRequest{Domain: "bad.example", Term: "x", Limit: 1}); !errors.Is(err, ErrBlocked) {
		t.Errorf("%v", err)
	}
	var a asked
	other := serve(t, "", a.by(catalog(1, "x")))
	refuses := serve(t, "", func(w http.ResponseWriter, _ *http.Request) {
		http.Error(w, "no search for you", http.StatusInternalServerError)
	})
	c.config.Registries = []Entry{{Prefix: "docker.io", Location: refuses.domain, Mirrors: []Mirror{{Location: other.domain}}}}
	if _, err := c.Search(t.Context(), SearchRequest{Domain: "docker.io", Term: "x", Limit: 1}); err == nil || err.Error() != "unexpected status code 500" || a.text() != "" {
		t.Errorf("%v, asked %q: a mirror was asked in place of who answers", err, a.text())
	}
}

// token is a registry that gives tokens for what is asked for, to who has the
// credentials dTpw.
func token(t *testing.T, scope string, f http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.URL.Path == "/token":
			if r.Header.Get("Authorization") != "Basic dTpw" {
				w.WriteHeader(http.StatusUnauthorized)
				_, _ = io.WriteString(w, `{"errors":[{"code":"UNAUTHORIZED","message":"incorrect\u001b username"}]}`)
				return
			}
			if got := r.FormValue("scope"); got != scope {
				t.Errorf("a token for %q", got)
			}
			_, _ = io.WriteString(w, `{"token":"let-me-in"}`)
		case r.Header.Get("Authorization") == "Bearer let-me-in":
			f(w, r)
		default:
			w.Header().Set("WWW-Authenticate", fmt.Sprintf(`Bearer realm="http://%s/token",service="s"`, r.Host))
			w.WriteHeader(http.StatusUnauthorized)
		}
	}
}

// late asks for credentials only when something is wanted.
func late(f http.HandlerFunc) http.HandlerFunc {
	inside := basic(f)
	return func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/v2/" {
			inside(w, r)
		}
	}
}

func TestSearchLogsIn(t *testing.T) {
	own := catalog(5, "mine")
	for kind, f := range map[string]http.HandlerFunc{"basic": basic(own), "a token": token(t, "registry:catalog:*", own), "late": late(own), "by the first protocol": basic(v1(api.SearchResult{Name: "mine"}))} {
		if got, err := at(t, "dTpw", f, SearchRequest{Term: "i"}); err != nil || names(got) != "mine" {
			t.Errorf("%s: %v, %v", kind, got, err)
		}
		_, err := at(t, "", f, SearchRequest{Term: "i"})
		var e *Error
		if !errors.As(err, &e) || !strings.HasPrefix(err.Error(), "unexpected status code 401") || strings.ContainsRune(err.Error(), 0x1b) || !strings.Contains(e.Hint(), "log in with `coracle login 127.0.0.1:") {
			t.Errorf("%s: nobody gets %v", kind, err)
		}
		// What comes along with a request counts instead of what is kept.
		repo := serve(t, "", f)
		repo.c.access.Auth = &api.AuthConfig{Username: "u", Password: "p"}
		if got, err := repo.c.Search(t.Context(), SearchRequest{Domain: repo.domain, Term: "i", Limit: 1}); err != nil || names(got) != "mine" {
			t.Errorf("%s, sent along: %v, %v", kind, got, err)
		}
	}
}

// sent are credentials for a registry: no mirror gets them.
func TestSearchSendsCredentialsToTheirRegistry(t *testing.T) {
	inner := catalog(5, "library/x")
	other := stranger(t, inner)
	c := &Client{config: Config{Registries: []Entry{{Prefix: "docker.io", Location: "127.0.0.1:1", Mirrors: []Mirror{{Location: strings.TrimPrefix(other.URL, "http://")}}}}}}
	c.access.Auth = &api.AuthConfig{Username: "u", Password: "p"}
	if got, err := c.Search(t.Context(), SearchRequest{Domain: "docker.io", Term: "x", Limit: 1}); err != nil || names(got) != "x" {
		t.Errorf("%v, %v", got, err)
	}
	turned := false
	got, err := at(t, "dTpw", basic(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/v2/" {
			turned = true
			http.Redirect(w, r, other.URL+"/v2/_catalog", http.StatusFound)
		}
	}), SearchRequest{Term: ""})
	if err != nil || names(got) != "library/x" || !turned {
		t.Errorf("%v, %v", got, err)
	}
}

// wire is a way to a host that there is none to in a test.
type wire func(*http.Request) *http.Response

func (f wire) RoundTrip(r *http.Request) (*http.Response, error) { return f(r), nil }

// TestSearchAtTheHub: Docker Hub is asked at once, with the password if there is one;
// who has an identity token gets one for searches first.
func TestSearchAtTheHub(t *testing.T) {
	for header, auth := range map[string]authn.AuthConfig{"": {}, "Basic dTpw": {Username: "u", Password: "p"}, "Bearer new": {Username: "u", IdentityToken: "old"}} {
		reg, err := name.NewRegistry(endpoint{host: "docker.io"}.hostname())
		if err != nil {
			t.Fatal(err)
		}
		var seen []string
		s := &session{reg: reg, auth: authn.FromConfig(auth), scopes: []string{"registry:catalog:search"}, plain: wire(func(r *http.Request) *http.Response {
			answer := &http.Response{StatusCode: http.StatusOK, Request: r, Header: http.Header{}}
			text := `{"results":[{"name":"busybox","is_official":true,"star_count":7}]}`
			switch r.URL.Host + r.URL.Path {
			case "index.docker.io/v2/":
				answer.StatusCode = http.StatusUnauthorized
				answer.Header.Set("WWW-Authenticate", `Bearer realm="https://auth.docker.io/token",service="registry.docker.io"`)
			case "auth.docker.io/token":
				if form, _ := io.ReadAll(r.Body); !strings.Contains(string(form), "refresh_token=old") || !strings.Contains(string(form), "scope=registry%3Acatalog%3Asearch") {
					t.Errorf("a token was asked for by %s", form)
				}
				text = `{"access_token":"new"}`
			default:
				seen = append(seen, r.URL.String()+" "+r.Header.Get("Authorization"))
			}
			answer.Body = io.NopCloser(strings.NewReader(text))
			return answer
		})}
		if err := s.introduce(t.Context(), false, true); err != nil {
			t.Fatal(err)
		}
		q := search{c: &connection{"https://" + reg.RegistryStr(), &http.Client{Transport: s}}, host: "docker.io", r: SearchRequest{Term: "busy", Limit: 3}}
		err = q.index(t.Context())
		if want := []string{"https://index.docker.io/v1/search?n=3&q=busy " + header}; err != nil || !slices.Equal(seen, want) || names(q.results) != "busybox" {
			t.Errorf("%q, %v", seen, err)
		}
	}
}

func TestSearchRefusals(t *testing.T) {
	for status, want := range map[int]string{
		http.StatusNotFound: "has neither a search nor a catalog", http.StatusForbidden: "log in with `coracle login ", http.StatusInternalServerError: "",
	} {
		_, err := at(t, "", anonymous(func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "\x1b[2Jno", status) }), SearchRequest{Term: "x"})
		var e *Error
		if !errors.As(err, &e) || err.Error() != fmt.Sprintf("unexpected status code %d", status) || !strings.Contains(e.Hint(), want) || want == "" && e.Hint() != "" {
			t.Errorf("%d: %v", status, err)
		}
	}
	_, err := at(t, "", anonymous(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusForbidden)
		_, _ = io.WriteString(w, `{"errors":[{"code":"DENIED","message":"not\u001b[2J you"}]}`)
	}), SearchRequest{Term: "x"})
	if err == nil || err.Error() != "unexpected status code 403: not[2J you" {
		t.Errorf("%v", err)
	}
}

func TestSearchOfHostileBytes(t *testing.T) {
	got, err := at(t, "", v1(api.SearchResult{Name: "a\x1b[2J\n\u009bb", Description: "one\x1b]0;title\a\r\n\ttwo\u0085 \xff<&>"}), SearchRequest{Term: "x"})
	if err != nil || got[0].Name != "a[2Jb" || got[0].Description != "one]0;title\r\n\ttwo \ufffd<&>" {
		t.Errorf("%+v, %v", got, err)
	}
	got, err = at(t, "", func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/v1/search" {
			http.NotFound(w, r)
			return
		}
		_, _ = io.WriteString(w, `{"repositories":["\u001b[31mapp\u0000"]}`)
	}, SearchRequest{Term: "app"})
	if err != nil || names(got) != "[31mapp" {
		t.Errorf("%+v, %v", got, err)
	}
	deep := strings.Repeat("[", 1<<20)
	for _, answer := range []string{"", "\x1b[2J", "{", "[]", "<html>", `{"results":{}}`, `{"results":[{"star_count":"many"}]}`, `{"results":[{"star_count":1e99}]}`, `{"results":` + deep, `{"results":[]}x`} {
		_, err := at(t, "", anonymous(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, answer) }), SearchRequest{Term: "x"})
		if err == nil || !strings.HasPrefix(err.Error(), "error decoding registry search results of 127.0.0.1:") || strings.ContainsRune(err.Error(), 0x1b) || len(err.Error()) > 300 {
			t.Errorf("%.20q: %v", answer, err)
		}
		_, err = at(t, "", anonymous(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, answer) }), SearchRequest{})
		if !strings.Contains(answer, "results") && (err == nil || !strings.HasPrefix(err.Error(), "error decoding catalog of 127.0.0.1:")) {
			t.Errorf("%.20q: %v", answer, err)
		}
	}
}

func TestSearchIsBounded(t *testing.T) {
	var pages atomic.Int32
	endless := func(body string) http.HandlerFunc {
		return anonymous(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/v1/search" {
				http.NotFound(w, r)
				return
			}
			w.Header().Set("Link", fmt.Sprintf(`</v2/_catalog?last=%d>; rel="next"`, pages.Add(1)))
			_, _ = io.WriteString(w, body)
		})
	}
	_, err := at(t, "", endless(`{"repositories":["other"]}`), SearchRequest{Term: "x"})
	if err == nil || !strings.HasSuffix(err.Error(), ": more than 1000 pages") || pages.Load() != maxCatalogPages {
		t.Errorf("%d pages: %v", pages.Load(), err)
	}
	pages.Store(0)
	large := `{"repositories":["` + strings.Repeat("a", 5<<20) + `"]}`
	if _, err := at(t, "", endless(large), SearchRequest{Term: "x"}); err == nil || !strings.HasSuffix(err.Error(), ": too large") || pages.Load() != 7 {
		t.Errorf("%d pages: %v", pages.Load(), err)
	}
	_, err = at(t, "", anonymous(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(bytes.Repeat([]byte(" "), maxSearch+1)) }), SearchRequest{Term: "x"})
	if err == nil || !strings.HasSuffix(err.Error(), ": too large") {
		t.Errorf("%v", err)
	}
	// A page that leads to another host leads nowhere.
	other := stranger(t, func(http.ResponseWriter, *http.Request) { t.Error("a stranger was asked") })
	got, err := at(t, "", anonymous(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Link", "<"+other.URL+`/v2/_catalog>; rel="next"`)
		_, _ = io.WriteString(w, `{"repositories":["one"]}`)
	}), SearchRequest{})
	if err != nil || names(got) != "one" {
		t.Errorf("%v, %v", got, err)
	}
}

// A registry that does not go on is left, and so is every one when the caller is gone.
func TestSearchEnds(t *testing.T) {
	old := stallTime
	stallTime = 50 * time.Millisecond
	defer func() { stallTime = old }()
	begun := make(chan struct{}, 1)
	drips := anonymous(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, `{"results":[`)
		w.(http.Flusher).Flush()
		begun <- struct{}{}
		<-r.Context().Done()
	})
	if _, err := at(t, "", drips, SearchRequest{Term: "x"}); err == nil || !strings.HasSuffix(err.Error(), ": no end of it after 50ms") {
		t.Errorf("%v", err)
	}
	<-begun
	stallTime = time.Hour
	repo := serve(t, "", drips)
	ctx, cancel := context.WithCancel(t.Context())
	go func() { <-begun; cancel() }()
	if _, err := repo.c.Search(ctx, SearchRequest{Domain: repo.domain, Term: "x", Limit: 1}); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
}

// A search leads to strangers as little as a pull does.
func TestSearchLeadsToNoStrangers(t *testing.T) {
	url, reached := bystander(t)
	for _, path := range []string{"/v2/", "/v1/search", "/v2/_catalog"} {
		_, err := at(t, "", func(w http.ResponseWriter, r *http.Request) {
			switch r.URL.Path {
			case path:
				http.Redirect(w, r, url, http.StatusFound)
			case "/v2/":
			default:
				http.NotFound(w, r)
			}
		}, SearchRequest{Term: "x"})
		if err == nil || reached.Load() > 0 {
			t.Errorf("%s: %v, A STRANGER WAS ASKED %d TIMES", path, err, reached.Load())
		}
	}
}
