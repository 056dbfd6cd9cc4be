// SPDX-License-Identifier: Apache-2.0

package api

import (
	"net/http"
	"net/http/httptest"
	"testing"
)

// TestNoPages: a port of this host is within reach of its browsers.
func TestNoPages(t *testing.T) {
	h := noPages(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {}))
	for _, tt := range []struct {
		host, origin string
		status       int
	}{
		{"127.0.0.1:2375", "", 200}, {"localhost:2375", "", 200}, {"docker", "", 200}, {"[::1]:2375", "", 200}, {"127.0.0.1:2375", "http://127.0.0.1:2375", 200},
		{"127.0.0.1:2375", "https://evil.example", 403}, {"127.0.0.1:2375", "null", 403}, {"evil.example:2375", "http://evil.example:2375", 403},
		{"evil.example", "", 403}, {"192.0.2.1:2375", "", 403},
	} {
		r := httptest.NewRequest("GET", "/containers/json", nil)
		r.Host = tt.host
		if tt.origin != "" {
			r.Header.Set("Origin", tt.origin)
		}
		w := httptest.NewRecorder()
		if h.ServeHTTP(w, r); w.Code != tt.status {
			t.Errorf("%s from %q: %d, want %d", tt.host, tt.origin, w.Code, tt.status)
		}
	}
}
