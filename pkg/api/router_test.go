// SPDX-License-Identifier: Apache-2.0

package api

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"coracle/pkg/docker"
)

// TestEveryEndpointIsFound: no pattern hides another.
func TestEveryEndpointIsFound(t *testing.T) {
	for _, e := range routes() {
		for _, name := range []string{"x", "a/b:1", "json", "x.json"} {
			if !strings.Contains(e.pattern, "{") && name != "x" {
				continue
			}
			path := strings.NewReplacer("{name}", name).Replace(e.pattern)
			var hit []string
			for _, o := range routes() {
				if _, fits := match(o.pattern, path); fits && o.method == e.method {
					hit = append(hit, o.pattern)
				}
			}
			if len(hit) == 0 || name == "x" && hit[0] != e.pattern {
				t.Errorf("%s %s is answered by %v", e.method, path, hit)
			}
		}
		if strings.Count(e.pattern, "{") > 1 || strings.Contains(e.pattern, "{") && !strings.Contains(e.pattern, "{name}") {
			t.Errorf("%s: a pattern has {name} once, or not", e.pattern)
		}
	}
}

func TestMatch(t *testing.T) {
	for _, tt := range []struct {
		pattern, path, name string
		fits                bool
	}{
		{"/info", "/info", "", true},
		{"/info", "/info/", "", false},
		{"/containers/{name}/json", "/containers/x/json", "x", true},
		{"/containers/{name}/json", "/containers//json", "", false},
		{"/containers/{name}/json", "/containers/json", "", false},
		{"/images/{name}/json", "/images/a.example:5000/b/c:1/json", "a.example:5000/b/c:1", true},
		{"/images/{name}", "/images/a/b", "a/b", true},
		{"/images/{name}", "/images/", "", false},
	} {
		if name, fits := match(tt.pattern, tt.path); name != tt.name || fits != tt.fits {
			t.Errorf("%s %s: %q %t", tt.pattern, tt.path, name, fits)
		}
	}
}

func TestVersions(t *testing.T) {
	for path, want := range map[string]string{
		"/v1.24/info": "1.24 /info", "/info": " /info", "/v1.51/images/v1/json": "1.51 /images/v1/json", "/volumes": " /volumes", "/version": " /version",
		"/v/info": " /v/info", "/v1.24": " /v1.24", "/v1..2/x": "1..2 /x", "/v-1/x": " /v-1/x",
	} {
		v, rest := splitVersion(path)
		if v+" "+rest != want {
			t.Errorf("%s: %s %s", path, v, rest)
		}
	}
	for v, ok := range map[string]bool{
		"": true, "1.24": true, docker.APIVersion: true, "1.40.1": true, "1.23": false, "1.99": false, "2": false, "0.9": false, "..": false, "99999999999999999999": false,
	} {
		if _, err := checkVersion(v); (err == nil) != ok {
			t.Errorf("%s: %v", v, err)
		}
	}
}

func TestUnknown(t *testing.T) {
	s := serve(t)
	tooNew := "client version 1.99 is too new. Maximum supported API version is " + docker.APIVersion
	checkRefusals(t, s, []refusal{
		{"GET", "/nothing", "", 404, "page not found"},
		{"GET", "/v1.99/nothing", "", 404, "page not found"},
		{"DELETE", "/info", "", 404, "page not found"},
		{"POST", "/v1.44/_ping", "", 404, "page not found"},
		{"GET", "/v1.99/_ping", "", 400, tooNew},
		{"GET", "/v1.23/_ping", "", 400, "client version 1.23 is too old. Minimum supported API version is 1.24, please upgrade your client to a newer version"},
		{"GET", "/v1.44/events?filters=x", "", 400, ""},
		{"GET", "/info?%zz", "", 400, `invalid URL escape "%zz"`},
	})
	resp, _ := s.ask(t, "OPTIONS", "/whatever", "")
	if resp.StatusCode != 200 {
		t.Errorf("OPTIONS: %d", resp.StatusCode)
	}
}

// TestBodies are those that no handler gets to see.
func TestBodies(t *testing.T) {
	for _, tt := range []struct{ kind, body, want string }{
		{"application/json", `{"a":"b"}`, ""},
		{"application/json; charset=utf-8", `{"a":"b"}`, ""},
		{"text/plain", `{"a":"b"}`, "unsupported Content-Type header (text/plain): must be 'application/json'"},
		{"", `{"a":"b"}`, "malformed Content-Type header (): mime: no media type"},
		{"application/json", `{"a":"b"}{}`, "unexpected content after JSON"},
		{"application/json", " ", "invalid JSON: got EOF while reading request body"},
		{"application/json", `{"a":`, "invalid JSON: unexpected EOF"},
		{"application/json", `[]`, "invalid JSON: json: cannot unmarshal array into Go value of type map[string]string"},
		{"application/json", `{"a":"` + strings.Repeat("x", maxBody) + `"}`, "invalid JSON: the request body is too large: more than 8388608 bytes"},
	} {
		r := httptest.NewRequest("POST", "/x", strings.NewReader(tt.body))
		r.Header.Set("Content-Type", tt.kind)
		c := &call{e: &Engine{}, r: r, w: httptest.NewRecorder()}
		var m map[string]string
		err := c.decode(&m)
		got := ""
		if err != nil {
			got = err.Error()
		}
		if got != tt.want || err == nil && m["a"] != "b" || err != nil && docker.KindOf(err) != docker.Invalid {
			t.Errorf("%s %.20s: %v", tt.kind, tt.body, err)
		}
	}
}

func TestParameters(t *testing.T) {
	r := httptest.NewRequest("GET", "/x?yes=1&true=True&no=0&none=None&empty=&n=5&bad=x", nil)
	form, err := parseForm(r)
	if err != nil {
		t.Fatal(err)
	}
	c := &call{e: &Engine{}, r: r, form: form}
	for key, want := range map[string]bool{"yes": true, "true": true, "no": false, "none": false, "empty": false, "missing": false} {
		if c.flag(key) != want {
			t.Errorf("%s: %t", key, !want)
		}
	}
	if !c.flagOr("missing", true) || c.flagOr("no", true) {
		t.Error("a default counts only where nothing is said")
	}
	if n, err := c.number("n"); err != nil || *n != 5 {
		t.Errorf("%v %v", n, err)
	}
	if n, err := c.number("missing"); err != nil || n != nil {
		t.Errorf("%v %v", n, err)
	}
	if _, err := c.number("bad"); docker.KindOf(err) != docker.Invalid {
		t.Error(err)
	}
}

// TestAccess reads what clients send along for registries, in the alphabets of base64
// that there are.
func TestAccess(t *testing.T) {
	for header, want := range map[string]string{
		"":                                     "",
		"e30=":                                 "",
		"eyJ1c2VybmFtZSI6Im1lIn0":              "me",
		"eyJ1c2VybmFtZSI6Im1lIn0=":             "me",
		"eyJ1c2VybmFtZSI6IsO_w78_Pz4-In0=":     "ÿÿ??>>",
		"eyJ1c2VybmFtZSI6IsO/w78/Pz4+In0=":     "ÿÿ??>>",
		"!":                                    "",
		"e30=x":                                "",
		"W10=":                                 "",
		"eyJ1c2VybmFtZSI6WyJ3cm9uZyB0eXBlIl19": "",
	} {
		r := httptest.NewRequest("GET", "/x", nil)
		r.Header.Set("X-Registry-Auth", header)
		got := ""
		if a := (&call{e: &Engine{}, r: r}).access(); a.Auth != nil {
			got = a.Auth.Username
		}
		if got != want {
			t.Errorf("%s: %q", header, got)
		}
	}
}

// TestPanic: one answer is lost, and nothing else.
func TestPanic(t *testing.T) {
	s := serve(t)
	w := httptest.NewRecorder()
	broken := &call{e: s.e, r: httptest.NewRequest("GET", "/x", nil), w: w}
	s.e.answer(broken, func(*call) error { panic("no") })
	if w.Code != http.StatusInternalServerError || sentence(w.Body.String()) != "internal error: no" || !strings.Contains(s.log.String(), "panic: no") {
		t.Errorf("%d %s, log: %s", w.Code, w.Body, s.log)
	}
}

// TestWhole: what is not left half done goes on without its client.
func TestWhole(t *testing.T) {
	end, stop := context.WithCancel(context.Background())
	defer stop()
	client, leave := context.WithCancel(context.WithValue(end, endKey{}, end))
	c := &call{r: httptest.NewRequest("POST", "/x", nil).WithContext(client)}
	ctx, done := c.whole()
	leave()
	if ctx.Err() != nil || c.ctx().Err() == nil {
		t.Error(ctx.Err(), c.ctx().Err())
	}
	stop()
	if ctx.Err() != nil {
		t.Error("at once when the process is told to end:", ctx.Err())
	}
	if done(); ctx.Err() == nil {
		t.Error("it goes on for ever")
	}
}
