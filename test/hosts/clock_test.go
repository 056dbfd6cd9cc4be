// SPDX-License-Identifier: Apache-2.0

package hosts

import (
	"fmt"
	"testing"
	"time"
)

// TestImagesOfOtherYears has images of before this machine's time, as those of 1970 that
// are built to be the same each time, and of after it, as on a machine whose clock has
// lost its time: they are listed, built on, run and copied as all others.
func TestImagesOfOtherYears(t *testing.T) {
	for _, at := range []time.Time{time.Unix(0, 0), time.Unix(1, 0), time.Date(2100, 1, 1, 0, 0, 0, 0, time.UTC), time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC)} {
		h := newHost(t)
		h.write("c/Dockerfile", "FROM bb\nRUN echo made >/made\n")
		h.write("d/Dockerfile", "FROM other\nRUN cat /made && echo again >/again\n")
		r := h.run(fmt.Sprintf(`$C import $TAR bb >/dev/null; $C build -q --build-arg SOURCE_DATE_EPOCH=%d -o type=docker,rewrite-timestamp=true -t other c >/dev/null || exit 1
			$C inspect -f '{{.Created}}' other; $C images --format '{{.Repository}} {{.CreatedSince}}' | grep -c '^other .* \(ago\|from now\)$'; $C history -q other >/dev/null && echo history
			$C save -o s other && $C rmi other >/dev/null && $C load -q -i s && $C build -q -t on d >/dev/null && $C run --rm --network none on cat /made /again; $C ps -a -q; $C image prune -f >/dev/null && echo pruned`, at.Unix()))
		if want := at.UTC().Format(time.RFC3339) + "\n1\nhistory\nLoaded image: other:latest\nmade\nagain\npruned\n"; r.Out != want || r.Code != 0 {
			t.Errorf("%v: %d %s\n--- want\n%s", at, r.Code, r.All(), want)
		}
	}
}
