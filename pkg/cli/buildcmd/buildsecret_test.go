// SPDX-License-Identifier: Apache-2.0

package buildcmd

import (
	"os"
	"path/filepath"
	"testing"
)

func TestParseSecrets(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "token")
	if err := os.WriteFile(file, []byte("of a file"), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("TOKEN", "of a variable")
	got, err := parseSecrets([]string{"id=a,src=" + file, "id=b,env=TOKEN", "id=TOKEN", "id=c,type=env,src=TOKEN"})
	if err != nil {
		t.Fatal(err)
	}
	for id, want := range map[string]string{"a": "of a file", "b": "of a variable", "TOKEN": "of a variable", "c": "of a variable"} {
		value, err := got[id](t.Context())
		if err != nil || string(value) != want {
			t.Errorf("secret %s is %q, %v, want %q", id, value, err, want)
		}
	}
	for _, bad := range []string{"src=" + file, "id=a,src=" + dir, "id=a,src=/nosuch", "id=a,what=x", "id=a,type=ssh"} {
		if _, err := parseSecrets([]string{bad}); err == nil {
			t.Errorf("%s was accepted", bad)
		}
	}
}
