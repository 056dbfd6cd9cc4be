// SPDX-License-Identifier: Apache-2.0

package systemdcmd

import (
	"testing"
	"time"
)

func TestUnitOfProject(t *testing.T) {
	p := Project{Name: "shop", Files: []string{"/srv/my shop/compose.yaml", "/srv/my shop/50%.yaml"}, Dir: "/srv/my shop", Flags: []string{"--profile", "x"}, Stop: 30 * time.Second}
	const want = `[Unit]
Description=Compose project shop (/srv/my shop/compose.yaml, /srv/my shop/50%%.yaml)

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/bin/coracle --root /r compose --project-name shop --project-directory "/srv/my shop" --file "/srv/my shop/compose.yaml" --file "/srv/my shop/50%%.yaml" --profile x up --detach --no-build
ExecStop=/bin/coracle --root /r compose --project-name shop stop
KillMode=mixed
Delegate=yes
TimeoutStartSec=infinity
TimeoutStopSec=50
SyslogIdentifier=shop

[Install]
WantedBy=default.target
`
	if got := unitOfProject(p, program{"/bin/coracle", "/r"}).String(); got != want {
		t.Errorf("%s\nwant\n%s", got, want)
	}
	const line = `@reboot /bin/coracle compose --project-name shop --project-directory '/srv/my shop' --file '/srv/my shop/compose.yaml' --file '/srv/my shop/50\%.yaml' --profile x up --detach --no-build`
	if got := atReboot(program{"/bin/coracle", ""}, p); got != line {
		t.Errorf("%s\nwant\n%s", got, line)
	}
	p.Stop = -1
	if got := unitOfProject(p, program{"/c", ""}).Section("Service").Last("TimeoutStopSec"); got != "infinity" {
		t.Errorf("for ever is %q", got)
	}
}
