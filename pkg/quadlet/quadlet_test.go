// SPDX-License-Identifier: Apache-2.0

package quadlet

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"coracle/pkg/systemd"
)

// made is what becomes of files, given as name and text in turns.
func made(t *testing.T, files ...string) []Result {
	t.Helper()
	var all []Source
	for i := 0; i < len(files); i += 2 {
		u, err := systemd.ParseUnit(files[i+1])
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, Source{"/q/" + files[i], u})
	}
	return Convert(all, Options{Program: []string{"/bin/coracle"}, Exists: func(p string) bool { return p == "/dev/there" }})
}

// The command line that a key makes.
func TestContainerKeys(t *testing.T) {
	for _, c := range []struct{ keys, want string }{
		{"", ""},
		{"AddCapability=CAP_DAC_OVERRIDE CAP_IPC_OWNER\nDropCapability=all", "--cap-add CAP_DAC_OVERRIDE --cap-add CAP_IPC_OWNER --cap-drop all"},
		{"AddDevice=/dev/fuse\nAddDevice=-/dev/gone:/dev/x\nAddDevice=-/dev/there", "--device /dev/fuse --device /dev/there"},
		{"Annotation=\"XYZ=a b\" C=d", `--annotation "XYZ=a b" --annotation C=d`},
		{"Environment=A=1 'B=2 3'\nEnvironment=\nEnvironment=C=%h", "--env C=%h"},
		{"EnvironmentFile=/tmp/env\nEnvironmentFile=rel", "--env-file /tmp/env --env-file /q/rel"},
		{"EnvironmentHost=yes\nRunInit=true", "--env-host --init"},
		{"HttpProxy=yes", "--env http_proxy --env HTTP_PROXY --env https_proxy --env HTTPS_PROXY --env ftp_proxy --env FTP_PROXY --env no_proxy --env NO_PROXY"},
		{"EnvironmentHost=no\nRunInit=0", ""},
		{"HealthCmd=/usr/bin/curl -f \"x\"\nHealthInterval=2m\nHealthRetries=5\nHealthStartPeriod=1m\nHealthTimeout=20s", `--health-retries 5 --health-start-period 1m --health-timeout 20s --health-cmd "/usr/bin/curl -f \"x\"" --health-interval 2m`},
		{"HealthCmd=none", "--no-healthcheck"},
		{"HostName=h\nIP=10.88.64.128\nIP6=fd46::1", "--hostname h --ip 10.88.64.128 --ip6 fd46::1"},
		{"Label=\"XYZ\"\nLabel=a=b", "--label XYZ= --label a=b"},
		{"LogDriver=journald\nLogOpt=max-size=10mb", "--log-opt max-size=10mb"},
		{"LogDriver=k8s-file", "--log-driver json-file"},
		{"Memory=20g\nPidsLimit=10000\nShmSize=100m", "--memory 20g --pids-limit 10000 --shm-size 100m"},
		{"Mount=type=bind,source=/path,destination=/p\nMount=type=tmpfs,tmpfs-size=512M,destination=/t", "--mount type=bind,source=/path,destination=/p --mount type=tmpfs,tmpfs-size=512M,destination=/t"},
		{"Network=host", "--network host"},
		{"Network=back:ip=10.0.0.2,mac=92:d0:c6:0a:29:33", "--network name=back,ip=10.0.0.2,mac-address=92:d0:c6:0a:29:33"},
		{"Network=pasta", ""},
		{"NoNewPrivileges=true\nSeccompProfile=s.json\nUnmask=ALL", "--security-opt no-new-privileges --security-opt seccomp=/q/s.json --security-opt systempaths=unconfined"},
		{"PublishPort=8080:80\nPublishPort=127.0.0.1::53/udp", "--publish 8080:80 --publish 127.0.0.1::53/udp"},
		{"ReadOnly=true", "--read-only --tmpfs /run --tmpfs /tmp --tmpfs /var/tmp"},
		{"ReadOnly=true\nReadOnlyTmpfs=false\nVolatileTmp=true", "--tmpfs /tmp:rw,size=512M,mode=1777 --read-only"},
		{"StopSignal=SIGINT\nStopTimeout=20", "--stop-signal SIGINT --stop-timeout 20"},
		{"Sysctl=net.ipv6.conf.all.disable_ipv6=1 net.ipv6.conf.all.use_tempaddr=1", "--sysctl net.ipv6.conf.all.disable_ipv6=1 --sysctl net.ipv6.conf.all.use_tempaddr=1"},
		{"Timezone=Europe/Berlin", "--volume /usr/share/zoneinfo/Europe/Berlin:/etc/localtime:ro"},
		{"Tmpfs=/work\nUlimit=nofile=1000:10000", "--tmpfs /work --ulimit nofile=1000:10000"},
		{"User=1000\nGroup=1001\nUserNS=keep-id", "--userns keep-id --user 1000:1001"},
		{"Volume=/source:/dest\nVolume=data:/d:ro\nVolume=/anon\nVolume=./x:/x", "--volume /source:/dest --volume data:/d:ro --volume /anon --volume /q/x:/x"},
		{"WorkingDir=$HOME/src\nPodmanArgs=--add-host foobar", "--workdir $HOME/src --add-host foobar"},
		{"Entrypoint=/foo.sh\nPull=newer", "--entrypoint /foo.sh --pull always"},
	} {
		r := made(t, "web.container", "[Container]\nImage=img\nExec=a \"b c\"\n"+c.keys+"\n")[0]
		if r.Err != nil {
			t.Errorf("%s: %v", c.keys, r.Err)
			continue
		}
		want := strings.ReplaceAll("/bin/coracle run --rm --name systemd-%N "+c.want+` img a "b c"`, "  ", " ")
		if got := r.Unit.Section("Service").Last("ExecStart"); got != want {
			t.Errorf("%s:\n%s, want\n%s", c.keys, got, want)
		}
	}
}

// The whole service of podman's first example.
func TestContainer(t *testing.T) {
	r := made(t, "test.container", "[Unit]\nDescription=A minimal container\nAfter=other.container\n\n[Container]\n# Use the centos image\nImage=quay.io/centos/centos:latest\nVolume=test.volume:/data\nNetwork=test.network\nExec=sleep 60\nStopTimeout=30\nReloadSignal=HUP\n\n[Service]\nRestart=always\n\n[Install]\nWantedBy=multi-user.target default.target\n",
		"test.volume", "[Volume]\nUser=root\nGroup=projectname\nLabel=org.test.Key=value\n", "test.network", "[Network]\nSubnet=172.16.0.0/24\nGateway=172.16.0.1\nIPRange=172.16.0.0/28\nLabel=org.test.Key=value\n", "other.container", "[Container]\nImage=x\nServiceName=elsewhere\n")
	want := `[Unit]
Description=A minimal container
After=elsewhere.service
SourcePath=/q/test.container
Requires=test-volume.service
After=test-volume.service
Requires=test-network.service
After=test-network.service

[Service]
Restart=always
Type=notify
TimeoutStartSec=900
KillMode=mixed
Delegate=yes
TimeoutStopSec=50
SuccessExitStatus=143
ExecStartPre=-/bin/coracle rm --force --volumes systemd-%N
ExecStop=-/bin/coracle stop systemd-%N
ExecReload=/bin/coracle kill --signal HUP systemd-%N
ExecStart=/bin/coracle run --rm --name systemd-%N --stop-timeout 30 --volume systemd-test:/data --network systemd-test quay.io/centos/centos:latest sleep 60
SyslogIdentifier=%N

[Install]
WantedBy=multi-user.target default.target
`
	if r[0].Err != nil || strings.Replace(r[0].Unit.String(), "\n[Install]\nWantedBy=multi-user.target default.target\n", "", 1) != strings.Replace(want, "\n[Install]\nWantedBy=multi-user.target default.target\n", "", 1) {
		t.Errorf("%v\n%s", r[0].Err, r[0].Unit)
	}
	if r[0].Service != "test.service" || r[3].Service != "elsewhere.service" {
		t.Errorf("%s %s", r[0].Service, r[3].Service)
	}
	if r[1].Err == nil {
		t.Error("a volume is of somebody")
	}
}

func TestOtherKinds(t *testing.T) {
	for _, c := range []struct{ name, text, service, want string }{
		{"data.volume", "[Volume]\nLabel=a=b\n", "data-volume.service", "volume create --label a=b systemd-data"},
		{"data.volume", "[Volume]\nVolumeName=d\nDevice=/srv\nType=bind\n", "data-volume.service", "volume create --opt device=/srv --opt type=none --opt o=bind d"},
		{"data.volume", "[Volume]\nDevice=tmpfs\nType=tmpfs\nOptions=size=10m\nUser=3\n", "data-volume.service", "volume create --opt device=tmpfs --opt type=tmpfs --opt o=size=10m,uid=3 systemd-data"},
		{"net.network", "[Network]\nInternal=true\nIPv6=true\nSubnet=192.168.123.0/24\nGateway=192.168.123.1\n", "net-network.service", "network create --ignore --internal --ipv6 --subnet 192.168.123.0/24 --gateway 192.168.123.1 systemd-net"},
		{"fedora.image", "[Image]\nImage=quay.io/fedora\nArch=arm64\nVariant=v8\nAllTags=no\n", "fedora-image.service", "pull --platform linux/arm64/v8 quay.io/fedora"},
		{"app.build", "[Build]\nImageTag=localhost/a\nImageTag=b\nSetWorkingDirectory=unit\nBuildArg=A=1\nTarget=t\nPull=always\n", "app-build.service", "build --tag localhost/a --tag b --build-arg A=1 --target t --pull /q"},
		{"app.build", "[Build]\nImageTag=a\nFile=/src/Containerfile\n", "app-build.service", "build --tag a --file /src/Containerfile /src"},
		{"app.build", "[Build]\nImageTag=a\nFile=sub/C\nSetWorkingDirectory=./ctx\n", "app-build.service", "build --tag a --file /q/ctx/sub/C /q/ctx"},
		{"t@.container", "[Container]\nImage=x\n", "t@.service", "run --rm --name systemd-%p_%i x"},
		{"t@one.container", "[Container]\nImage=x\nContainerName=n-%i\n", "t@one.service", "run --rm --name n-%i x"},
	} {
		r := made(t, c.name, c.text)[0]
		if r.Err != nil {
			t.Errorf("%s: %v", c.text, r.Err)
			continue
		}
		if got := r.Unit.Section("Service").Last("ExecStart"); got != "/bin/coracle "+c.want || r.Service != c.service {
			t.Errorf("%s:\n%s %s, want\n%s", c.text, r.Service, got, c.want)
		}
	}
	r := made(t, "a.container", "[Container]\nImage=b.build\nMount=type=volume,src=v.volume,dst=/v\nNetwork=c.container\n", "b.build", "[Build]\nImageTag=built\nFile=/x/y\nAuthFile=auth.json\n", "v.volume", "[Volume]\nVolumeName=vol\n", "c.container", "[Container]\nImage=i.image\n", "i.image", "[Image]\nImage=pulled\n")
	for i, want := range []string{
		"/bin/coracle run --rm --name systemd-%N --mount type=volume,src=vol,dst=/v --network container:systemd-c built",
		"/bin/coracle build --tag built --file /x/y /x", "/bin/coracle volume create vol", "/bin/coracle run --rm --name systemd-%N pulled",
	} {
		if r[i].Err != nil || r[i].Unit.Section("Service").Last("ExecStart") != want {
			t.Errorf("%v\n%s, want %s", r[i].Err, r[i].Unit, want)
		}
	}
	if e := r[1].Unit.Section("Service").Last("Environment"); e != "REGISTRY_AUTH_FILE=/q/auth.json" {
		t.Errorf("%s", e)
	}
}

func TestRefusedAndNoted(t *testing.T) {
	for _, c := range []struct{ name, text, want string }{
		{"a.container", "[Container]\n", "no Image key specified"},
		{"a.container", "[Container]\nImage=x\nFoo=1\n", "unsupported key 'Foo' in group 'Container'"},
		{"a.container", "[Container]\nImage=x\nSecret=s\n", "Secret=s: there are no secrets"},
		{"a.container", "[Container]\nImage=x\nPod=p.pod\n", "there are no pods"},
		{"a.container", "[Container]\nImage=x\nNotify=perhaps\n", "Notify: "},
		{"a.kube", "[Kube]\n", "write a .container file for each"},
		{"a.container", "[Container]\nImage=x\nGroup=g\n", "invalid Group set without User"},
		{"a.container", "[Container]\nImage=gone.image\n", "requested Quadlet unit gone.image was not found"},
		{"a.container", "[Container]\nImage=a\nVolume=gone.volume:/x\n", "requested Quadlet unit gone.volume was not found"},
		{"a.container", "[Container]\nImage=a\nMount=type=volume,source=gone.volume,target=/x\n", "requested Quadlet unit gone.volume was not found"},
		{"a.container", "[Container]\nImage=x\n[Service]\nType=simple\n", "invalid service Type 'simple'"},
		{"a.container", "[Container]\nImage=x\n[Service]\nKillMode=none\n", "invalid KillMode"},
		{"a.container", "[Container]\nImage=x\n[Volume]\nLabel=a\n", "group 'Volume' in a .container file"},
		{"a.container", "[Container]\nImage=x\nRunInit=maybe\n", "neither yes nor no"},
		{"a.container", "[Container]\nImage=x\nReloadCmd=a\nReloadSignal=HUP\n", "mutually exclusive"},
		{"a.container", "[Container]\nImage=x\nHealthOnFailure=kill\n", "an unhealthy container goes on"},
		{"a.network", "[Network]\nGateway=1.2.3.4\n", "without subnet"},
		{"a.volume", "[Volume]\nType=tmpfs\n", "without Device"},
		{"a.image", "[Image]\nImage=x\nTLSVerify=false\n", "registries.conf"},
		{"a.build", "[Build]\nFile=/x\n", "no ImageTag"},
		{"a.build", "[Build]\nImageTag=x\n", "neither SetWorkingDirectory, nor File"},
		{"a.build", "[Build]\nImageTag=x\nFile=rel\n", "requires SetWorkingDirectory"},
		{"a.pod", "[Pod]\n", "there are no pods"},
		{"a.kube", "[Kube]\nYaml=x\n", "Kubernetes"},
		{"a.artifact", "[Artifact]\n", "no artifacts"},
	} {
		r := made(t, c.name, c.text)[0]
		if r.Err == nil || !strings.Contains(r.Err.Error(), c.want) || r.Unit != nil {
			t.Errorf("%s: %v, want %s", c.text, r.Err, c.want)
		}
	}
	r := made(t, "a.container", "[Container]\nImage=x\nAutoUpdate=registry\nSecurityLabelDisable=true\nRetry=3\n[Quadlet]\nDefaultDependencies=true\n")[0]
	if r.Err != nil || len(r.Notes) != 3 || !strings.HasPrefix(r.Notes[0], "AutoUpdate=registry has no effect: ") || strings.Contains(r.Unit.String(), "network-online") {
		t.Errorf("%v %q\n%s", r.Err, r.Notes, r.Unit)
	}
}

// Every rule says what it needs to.
func TestRules(t *testing.T) {
	for name, k := range kinds() {
		if (k.build == nil) != (k.why != "") || k.section == "" {
			t.Errorf("%s: %q", name, k.why)
		}
		if k.rules == nil {
			continue
		}
		for key, r := range k.rules() {
			if (r.how == noted || r.how == refused) != (r.say != "") || (r.how != special && r.say == "") != (r.flag != "") {
				t.Errorf("%s %s: %+v", name, key, r)
			}
		}
	}
}

func TestLoad(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{
		"a-b.container": "[Container]\nImage=x\nLabel=a\n", "a-b.container.d/20.conf": "[Container]\nLabel=special\n", "a-.container.d/20.conf": "[Container]\nLabel=hidden\n",
		"a-.container.d/10.conf": "[Container]\nLabel=prefix\n", "container.d/30.conf": "[Container]\nLabel=all\n", "container.d/readme": "x",
		"t@i.container": "[Container]\nImage=x\n", "t@.container.d/1.conf": "[Container]\nLabel=template\n",
		"sub/v.volume": "[Volume]\n", "other.txt": "", "bad.network": "nothing",
	} {
		path := filepath.Join(dir, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(text), 0o644)); err != nil {
			t.Fatal(err)
		}
	}
	files, bad := Load([]string{filepath.Join(dir, "sub", "v.volume"), dir})
	if len(bad) != 1 || !strings.Contains(bad[0].Error(), "bad.network: line 1") {
		t.Errorf("%v", bad)
	}
	var names []string
	labels := map[string][]string{}
	for _, f := range files {
		names = append(names, f.name())
		labels[f.name()] = f.Unit.Section("Container").All("Label")
	}
	if !slices.Equal(names, []string{"v.volume", "a-b.container", "t@i.container"}) {
		t.Errorf("%q", names)
	}
	if got := labels["a-b.container"]; !slices.Equal(got, []string{"a", "prefix", "special", "all"}) {
		t.Errorf("%q", got)
	}
	if got := labels["t@i.container"]; !slices.Equal(got, []string{"template", "all"}) {
		t.Errorf("%q", got)
	}
	if _, bad := Load([]string{filepath.Join(dir, "other.txt")}); len(bad) != 1 || !strings.Contains(bad[0].Error(), "is no quadlet") {
		t.Errorf("%v", bad)
	}
	if _, bad := Load([]string{filepath.Join(dir, "none")}); len(bad) != 1 || !errors.Is(bad[0], fs.ErrNotExist) {
		t.Errorf("%v", bad)
	}
}
