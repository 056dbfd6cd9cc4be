// SPDX-License-Identifier: Apache-2.0

package dockerfile

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"coracle/pkg/oci/spec"
	"coracle/pkg/overlay"
)

func TestSourceDateEpoch(t *testing.T) {
	if !inUserns(t) {
		return
	}
	w := newWorld(t)
	const text = "ARG %s\nFROM scratch\nWORKDIR /a/b\nRUN x\nENV A=1\n"
	then := time.Unix(100, 0)
	given := Request{BuildArgs: map[string]string{"SOURCE_DATE_EPOCH": "100"}}
	for dockerfile, o := range map[string]Request{
		fmt.Sprintf(text, "X"):                     given,
		fmt.Sprintf(text, "SOURCE_DATE_EPOCH=100"): {},
		fmt.Sprintf(text, "SOURCE_DATE_EPOCH=5"):   given,
	} {
		img := w.config(dockerfile, o)
		if !img.Created.Equal(then) || slices.ContainsFunc(w.warnings, func(s string) bool { return strings.Contains(s, "not consumed") }) {
			t.Errorf("%q: created %s, warnings %q", dockerfile, img.Created, w.warnings)
		}
		for _, h := range img.History {
			if !h.Created.Equal(then) {
				t.Errorf("%q: %s is from %s", dockerfile, h.CreatedBy, h.Created)
			}
		}
		for _, p := range []string{"a", "a/b"} {
			info, err := os.Stat(filepath.Join(w.layer(0), p))
			if err != nil || !info.ModTime().Equal(then) {
				t.Errorf("%q: WORKDIR made %s at %v, %v", dockerfile, p, info.ModTime(), err)
			}
		}
	}
	if img := w.config(fmt.Sprintf(text, "SOURCE_DATE_EPOCH="), Request{}); time.Since(*img.Created) > time.Hour {
		t.Errorf("an empty SOURCE_DATE_EPOCH means %s", img.Created)
	}
	for _, wrong := range []string{"x", "-1", "253402300800"} {
		_, err := w.build("FROM scratch\nENV A=1\n", Request{BuildArgs: map[string]string{"SOURCE_DATE_EPOCH": wrong}})
		if message(err) != "invalid SOURCE_DATE_EPOCH: "+wrong {
			t.Errorf("%s: error is %v", wrong, err)
		}
	}
}

// layer is the directory of one of the last image's layers, the lowest first.
func (w *world) layer(n int) string {
	w.t.Helper()
	det, err := overlay.LoadImage(w.st.Dirs(), w.image)
	if err != nil {
		w.t.Fatal(err)
	}
	lowers, err := w.st.Lowers(det.Layers[n])
	if err != nil {
		w.t.Fatal(err)
	}
	return lowers[0]
}

func TestCredentialsAreNotKept(t *testing.T) {
	if !inUserns(t) {
		return
	}
	w := newWorld(t)
	img := w.config("FROM scratch\nARG http_proxy\nARG U=https://me:secret@host/\nRUN get $U\n",
		Request{BuildArgs: map[string]string{"http_proxy": "http://me:secret@proxy:3128", "HTTPS_PROXY": "http://me:secret@proxy:3128"}})
	told := fmt.Sprintf("%+v", img) + strings.Join(w.log, "\n") + strings.Join(w.warnings, "\n")
	if strings.Contains(told, "secret") || !strings.Contains(told, "xxxxx") {
		t.Errorf("a password is kept:\n%s", told)
	}
	_, err := w.build("FROM scratch\nADD http://me:secret@127.0.0.1:1/f /f\n", Request{})
	told = message(err) + strings.Join(w.log, "\n")
	if strings.Contains(told, "secret") || !strings.Contains(told, "127.0.0.1:1") {
		t.Errorf("a password is shown:\n%s", told)
	}
}

func TestConfigurationFromScratch(t *testing.T) {
	if !inUserns(t) {
		return
	}
	w := newWorld(t)
	img := w.config("FROM scratch\nWORKDIR /\nCMD x\n", Request{})
	c := img.Config
	if c.WorkingDir != "/" || !slices.Equal(c.Env, []string{"PATH=" + spec.DefaultPath}) || !c.ArgsEscaped { //nolint:staticcheck // BuildKit's
		t.Errorf("configuration is %+v", c)
	}
	if !img.History[0].EmptyLayer || img.History[0].CreatedBy != "WORKDIR /" {
		t.Errorf("WORKDIR / gave %+v", img.History[0])
	}
}
