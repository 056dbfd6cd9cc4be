// SPDX-License-Identifier: Apache-2.0

package registry

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestHand: credentials go on, and nothing else of the file.
func TestHand(t *testing.T) {
	dir := t.TempDir()
	a := Access{ConfigDir: dir}
	t.Setenv("DOCKER_AUTH_CONFIG", "")
	if data, err := a.Hand(); data != nil || err != nil {
		t.Errorf("without a file: %s %v", data, err)
	}
	if err := os.WriteFile(filepath.Join(dir, "config.json"), []byte(`{"auths":{"r.example":{"auth":"bWU6aXQ="}},"psFormat":"x"}`), 0o600); err != nil {
		t.Fatal(err)
	}
	for env, want := range map[string]string{"": "r.example", `{"auths":{"job.example":{"auth":"bWU6aXQ="}}}`: "job.example", `{}`: "r.example"} {
		t.Setenv("DOCKER_AUTH_CONFIG", env)
		data, err := a.Hand()
		if text := string(data); err != nil || !strings.Contains(text, want) || !strings.Contains(text, "bWU6aXQ=") || strings.Contains(text, "psFormat") {
			t.Errorf("%q: %s %v", env, text, err)
		}
	}
	t.Setenv("DOCKER_AUTH_CONFIG", "{")
	if _, err := a.Hand(); err == nil {
		t.Error("what is none is taken")
	}
}
