// SPDX-License-Identifier: Apache-2.0

package buildcmd

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"coracle/pkg/dockerfile"
)

func TestParseSecrets(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "token")
	if err := os.WriteFile(file, []byte("of a file"), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("TOKEN", "of a variable")
	t.Chdir(dir)
	open, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer open.Close()
	numbered := fmt.Sprintf("/proc/self/fd/%d", open.Fd())
	got, err := parseSecrets([]string{"id=a,src=" + file, "id=b,env=TOKEN", "id=TOKEN", "id=c,type=env,src=TOKEN", "id=token", "id=d,src=" + numbered})
	if err != nil {
		t.Fatal(err)
	}
	if f := got[5].File; f == nil || f.Name() != numbered {
		t.Errorf("a descriptor goes along as %v", f)
	}
	got[5].File.Close()
	got[5].File = nil
	of := func(id string) dockerfile.Secret { return dockerfile.Secret{ID: id, Value: []byte("of a variable")} }
	want := []dockerfile.Secret{{ID: "a", Path: file}, of("b"), of("TOKEN"), of("c"), {ID: "token", Path: file}, {ID: "d"}}
	if !slices.EqualFunc(got, want, func(a, b dockerfile.Secret) bool { return fmt.Sprint(a) == fmt.Sprint(b) }) {
		t.Errorf("secrets are %v, want %v", got, want)
	}
	for _, bad := range []string{"src=" + file, "id=a,src=" + dir, "id=a,src=/nosuch", "id=a,what=x", "id=a,type=ssh"} {
		if _, err := parseSecrets([]string{bad}); err == nil {
			t.Errorf("%s was accepted", bad)
		}
	}
}
