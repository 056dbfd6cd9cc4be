// SPDX-License-Identifier: Apache-2.0

package build

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// TestRecord writes what BuildKit makes of the cases into their files. It does
// so only for hack/record-buildkit, which names the client: BUILDCTL, with the
// daemon's address in BUILDKIT_HOST.
func TestRecord(t *testing.T) {
	client := os.Getenv("BUILDCTL")
	if client == "" {
		t.Skip("hack/record-buildkit runs this")
	}
	for _, c := range readCases(t) {
		t.Run(c.name, func(t *testing.T) {
			list, err := record(t, client, c)
			if err == nil {
				err = c.write(list)
			}
			if err != nil {
				t.Error(err)
			}
		})
	}
}

// buildctlOptions are docker's options in buildctl's words.
var buildctlOptions = map[string]string{"--build-arg": "build-arg:", "--target": "target=", "--label": "label:", "--platform": "platform="}

func record(t *testing.T, client string, c testCase) ([]section, error) {
	t.Helper()
	out := t.TempDir()
	// The daemon would only update what it has of the last context.
	if text, err := exec.Command(client, "prune", "--all").CombinedOutput(); err != nil {
		return nil, fmt.Errorf("prune: %w\n%s", err, text)
	}
	r := runBuild(t, testCase{c.name, c.path, append([]section(nil), c.sections...)}, func(dir string, more []string) *exec.Cmd {
		args := []string{
			"build", "--no-cache", "--progress=plain", "--frontend=dockerfile.v0", "--local=context=" + dir, "--local=dockerfile=" + dir,
			"--output=type=tar,dest=" + filepath.Join(out, "files"), "--output=type=docker,compression=uncompressed,name=built,dest=" + filepath.Join(out, "image"),
		}
		for i := 0; i+1 < len(more); i += 2 {
			args = append(args, "--opt="+buildctlOptions[more[i]]+more[i+1])
		}
		for _, v := range c.lines("environment") {
			args = append(args, "--opt=build-arg:"+v)
		}
		return exec.Command(client, args...)
	})
	if r.Code != 0 {
		return []section{{"error", plainError(r.All()) + "\n"}}, nil
	}
	files, err := os.ReadFile(filepath.Join(out, "files"))
	if err != nil {
		return nil, err
	}
	image, err := os.ReadFile(filepath.Join(out, "image"))
	if err != nil {
		return nil, err
	}
	tr := tree{}
	if err := tr.apply(bytes.NewReader(files), false); err != nil {
		return nil, err
	}
	config, _, err := readSaved(image)
	if err != nil {
		return nil, err
	}
	plain, err := settled(config)
	return []section{{"tree", tr.String()}, {"config", c.withoutServer(plain)}}, err
}
