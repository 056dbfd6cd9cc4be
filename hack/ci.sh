#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Runs the recipes of docs/ci.md, each where everything is taken away that its CI takes
# away: in containers of Debian's podman with Docker's seccomp profile, and as an
# unprivileged user. As root. Arguments: names of recipes; without, all.
#
#	REGISTRY  host:port of a registry with TLS to push to; without it images are saved
#	CA        its authority's certificate
#	LOGIN     user:password
#	AS        the unprivileged user of the recipes that need no container
set -eu
cd "$(dirname "$0")/.."
. hack/common.sh
[ "$(id -u)" = 0 ] || die "podman has to be root's: the containers around are as an administrator makes them"
command -v podman >/dev/null || install podman || die "no podman"
as=${AS:-coracle-test}
id "$as" >/dev/null 2>&1 || die "no user $as: set AS"
work=$(mktemp -d /var/tmp/coracle-ci.XXXXXX)
trap 'engine rm -fa >/dev/null 2>&1 || :; engine rmi -fa >/dev/null 2>&1 || :; rm -rf "$work"' EXIT
chmod 755 "$work"

# engine is podman with a store of its own, where cgroups are v2 alone.
engine() {
	# shellcheck disable=SC2016
	unshare -m sh -c 'umount -R /sys/fs/cgroup 2>/dev/null; mount -t cgroup2 none /sys/fs/cgroup; d=$0; exec podman --root $d/podman --runroot $d/run --cgroup-manager cgroupfs "$@"' "$work" "$@"
}

# What a job finds: its image, the program, a context.
go build -trimpath -o "$work/coracle" .
cp "$(go list -m -f '{{.Dir}}' github.com/moby/profiles/seccomp)/default.json" "$work/docker.json"
mkdir -p "$work/image/bin" "$work/image/etc" "$work/image/root" "$work/image/proc" "$work/image/sys" "$work/image/dev" "$work/job"
mkdir -m 1777 "$work/image/tmp"
busybox=$(command -v busybox) || die "no busybox"
cp "$busybox" "$work/image/bin/busybox"
for name in $("$busybox" --list); do [ "$name" = busybox ] || ln -s busybox "$work/image/bin/$name"; done
printf 'root:x:0:0:root:/root:/bin/sh\n' >"$work/image/etc/passwd"
printf 'root:x:0:\n' >"$work/image/etc/group"
tar -C "$work/image" -cf "$work/job/rootfs.tar" .
engine import "$work/job/rootfs.tar" job >/dev/null 2>&1
cat >"$work/job/Dockerfile" <<'EOF'
FROM scratch AS base
ADD rootfs.tar /
FROM base
RUN echo app:x:1000:1000::/:/bin/sh >>/etc/passwd; echo built >/built
COPY --chown=app app /app
USER app
CMD ["cat", "/app"]
EOF
cat >"$work/job/Dockerfile.files" <<'EOF'
FROM scratch
ADD rootfs.tar /
COPY --chown=1000:1000 --chmod=0555 app /app
USER 1000
CMD ["cat", "/app"]
EOF
echo hello >"$work/job/app"
[ -z "${CA:-}" ] || cp "$CA" "$work/job/ca.crt"
chmod -R a+rX "$work/job" "$work/coracle"

# job OPTIONS SCRIPT: a job in a container. What it says is shown if it fails.
job() {
	options=$1 script=$2
	registry=
	[ -z "${REGISTRY:-}" ] || registry="-e CI_REGISTRY=$REGISTRY -e CI_REGISTRY_USER=${LOGIN%%:*} -e CI_REGISTRY_PASSWORD=${LOGIN#*:} -e SSL_CERT_FILE=/job/ca.crt"
	# shellcheck disable=SC2086
	engine run --rm --cgroups disabled --ulimit nofile=4096:4096 --ulimit nproc=4096:4096 --network host $registry \
		-v "$work/coracle:/bin/coracle:ro" -v "$work/job:/job:ro" --workdir /job $options job sh -euc "$script"
}

# publish is what all recipes do at last, with FILE as the Dockerfile.
publish='
if [ -n "${CI_REGISTRY:-}" ]; then
	coracle build --push -t "$CI_REGISTRY/ci/app:$NAME" -f "$FILE" --iidfile /tmp/iid --metadata-file /tmp/meta .
	grep -q containerimage.digest /tmp/meta
else
	coracle build -t "app:$NAME" -f "$FILE" --iidfile /tmp/iid . && coracle save -o /tmp/app.tar "app:$NAME"
fi
grep -q sha256: /tmp/iid'
docker="--security-opt seccomp=$work/docker.json"

gitlab_docker() { job "$docker -e CI=true -e GITLAB_CI=true -e NAME=gitlab-docker -e FILE=Dockerfile" "$publish"; }
gitlab_kubernetes() { job "$docker --security-opt no-new-privileges -e CI=true -e NAME=gitlab-kubernetes -e FILE=Dockerfile --tmpfs /builds -e TMPDIR=/builds -e CORACLE_ROOT=/builds/.coracle" "mount | grep -q ' /builds .*noexec' && export CORACLE_ROOT=/root/.coracle
$publish"; }
github() { job "$docker -e CI=true -e GITHUB_ACTIONS=true -e HOME=/github/home --tmpfs /github/home:mode=700,exec -e NAME=github -e FILE=Dockerfile" "$publish"; }
kubernetes_restricted() {
	job "$docker --user 1000650000:0 --cap-drop ALL --security-opt no-new-privileges --read-only --tmpfs /tmp:mode=1777 -e HOME=/ -e NAME=restricted -e FILE=Dockerfile.files" "$publish
! coracle build -f Dockerfile . 2>/tmp/no; grep 'RUN cannot be carried out here' /tmp/no; grep '^hint: ' /tmp/no"
}
kubernetes_unconfined() {
	job "--security-opt seccomp=unconfined --user 1000:1000 --cap-drop ALL --tmpfs /tmp:mode=1777 -e HOME=/tmp -e NAME=unconfined -e FILE=Dockerfile" "$publish
coracle run --rm --network none \$(cat /tmp/iid)"
}

# user SCRIPT: as an unprivileged user on this host, with nothing in the environment.
user() {
	rm -rf "$work/home" && mkdir -p "$work/home" && chown "$as" "$work/home"
	su -s /bin/sh "$as" -c "cd '$work/home'; exec env -i HOME='$work/home' PATH=/usr/bin:/bin TMPDIR='$work/home' CORACLE_SINGLE_ID=1 sh -euc 'PATH=\$HOME:\$PATH; ln -s $work/coracle docker; ln -s $work/coracle coracle
docker import $work/job/rootfs.tar job >/dev/null
$1'" </dev/null
}

# jenkins is what the plugin docker-workflow calls for docker.build and image.inside.
# shellcheck disable=SC2016
jenkins() {
	user '
docker build -t app -f $HOME/../job/Dockerfile $HOME/../job
docker inspect -f . app
mkdir ws; c=$(docker run -t -d -u $(id -u):$(id -g) --network none -w $HOME/ws -v $HOME/ws:$HOME/ws:rw,z -v $HOME/ws@tmp:$HOME/ws@tmp:rw,z -e BUILD_NUMBER=1 app cat)
docker top $c -eo pid,comm | grep cat
docker exec --env A=b $c sh -c "touch made; echo \$A"
docker stop --time=1 $c; docker rm -f --volumes $c; ls ws/made'
}
# shellcheck disable=SC2016
slurm() {
	user 'export TMPDIR=$HOME/scratch SLURM_JOB_ID=1; mkdir scratch; export CORACLE_ROOT=$TMPDIR/coracle HOME=/nonexistent
coracle import $TMPDIR/../../job/rootfs.tar job >/dev/null; coracle run --rm --network host --ipc host -v $TMPDIR:/data -w /data job sh -c "echo done >result"; cat $TMPDIR/result'
}
# shellcheck disable=SC2016
cron() { user 'exec </dev/null >log 2>&1; coracle run --rm --network none --name nightly --pull never job date; test -s log'; }

failed=0
for r in ${*:-gitlab_docker gitlab_kubernetes github kubernetes_restricted kubernetes_unconfined jenkins slurm cron}; do
	if "$r" >"$work/log" 2>&1; then
		say "$r: done: $(grep -m 1 -o 'on this host: .*' "$work/log" || echo 'as everywhere')"
	else
		say "$r: FAILED" && cat "$work/log" >&2 && failed=1
	fi
done
exit $failed
