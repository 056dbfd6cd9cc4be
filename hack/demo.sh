#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Builds coracle and goes through Docker's "Containers" tutorial with it, command
# by command, and on to several services: docs/tutorial.md is the same to read.
# Called as root it makes an unprivileged user, coracle-demo, and does the work as
# that user.
set -eu
cd "$(dirname "$0")/.."
. hack/common.sh

if [ "${1:-}" != --as-user ]; then
	command -v go >/dev/null || die "go is missing: see https://go.dev/doc/install"
	state=$(mktemp -d)
	trap 'rm -rf "$state"' EXIT
	chmod 755 "$state"
	say "building coracle"
	go build -trimpath -o "$state/coracle" .
	cp -r examples hack "$state/"
	need curl curl || exit 1
	if [ "$(id -u)" != 0 ]; then
		"$state/hack/demo.sh" --as-user "$state"
		exit
	fi
	refresh_lists
	need newuidmap uidmap || say "going on with a single id"
	need redis-server redis-server || say "without services"
	need busybox busybox-static || say "without services"
	need docker-registry docker-registry || say "without a registry of its own"
	make_user coracle-demo
	chown -R coracle-demo "$state"
	su coracle-demo -c "PATH='$PATH' '$state/hack/demo.sh' --as-user '$state'"
	exit
fi

state=$2
cd "$state"
PATH=$state:$PATH
CORACLE_ROOT=$state/root
DOCKER_CONFIG=$state/docker
unset XDG_RUNTIME_DIR
export PATH CORACLE_ROOT DOCKER_CONFIG
registry=
failed=0

# run COMMAND...: prints a command and its output.
run() {
	printf '\n$ %s\n' "$*"
	code=0
	"$@" || code=$?
	[ $code = 0 ] || { failed=1; printf '(exit code %d)\n' $code; }
}

finish() {
	# Files of subordinate ids go only through coracle itself.
	(cd "$state/examples/compose" && coracle compose down -v -t 0) >/dev/null 2>&1 || true
	coracle rm -f $(coracle ps -aq) >/dev/null 2>&1 || true
	coracle image rm -f $(coracle image ls -aq) >/dev/null 2>&1 || true
	coracle builder prune -af >/dev/null 2>&1 || true
	[ -z "$registry" ] || kill "$registry" 2>/dev/null || true
}
trap finish EXIT

# wait_for URL: until somebody answers, a minute at most.
wait_for() {
	for _ in $(seq 600); do
		curl -s -o /dev/null "$1" && return
		sleep 0.1
	done
	die "no answer from $1"
}

printf '\n# Base image\n'
if timeout 60 coracle pull -q python:3-slim >/dev/null 2>&1; then
	echo "python:3-slim comes from the registry"
else
	echo "no registry within reach: python:3-slim is made from this distribution's packages"
	python_rootfs "$state/python.tar" || die "cannot download packages: run apt-get update first"
	coracle import "$state/python.tar" python:3-slim >/dev/null
fi

printf '\n# Build the app\n'
cd "$state/examples/friendlyhello"
run ls
run cat Dockerfile
run coracle build . --tag=friendlyhello
run coracle build -t friendlyhello:v0.1 .
run coracle image ls

printf '\n# Run the app\n'
printf '\n$ coracle run -p 4000:5000 friendlyhello\n'
coracle run -p 4000:5000 friendlyhello &
app=$!
wait_for http://localhost:4000/
run curl -s http://localhost:4000/
run curl -s http://localhost:4000/name
run curl -s http://localhost:4000/status
echo "(Ctrl+C)"
kill -INT $app
wait $app || [ $? = 130 ] || die "the app ended with exit code $?"
printf '\n# In the background\n'
run coracle run -d -p 4000:5000 friendlyhello
wait_for http://localhost:4000/
run coracle container ls
run curl -s http://localhost:4000/status
id=$(coracle container ls -q)
run coracle logs --tail 2 "$id"
run coracle exec "$id" cat /etc/hostname
run coracle container stop -t 1 "$id"
run coracle container ls -a

printf '\n# Services\n'
counted=0
# visits PORT: visits the page, which has to have counted one more.
visits() {
	run curl -s -X POST "http://localhost:$1/visit"
	counted=$((counted + 1))
	curl -s "http://localhost:$1/status" | grep -q "\"visits\":$counted[,}]" || die "$counted visits are not what is counted"
}
if timeout 60 coracle pull -q redis:7 >/dev/null 2>&1; then
	echo "redis:7 comes from the registry"
elif redis_rootfs "$state/redis.tar" 2>/dev/null; then
	echo "no registry within reach: redis:7 is made from this distribution's packages"
	coracle import "$state/redis.tar" redis:7 >/dev/null
fi
if coracle image inspect redis:7 >/dev/null 2>&1; then
	cd "$state/examples/compose"
	run cat compose.yaml
	run coracle compose build
	run coracle compose up -d --wait
	run coracle compose ps
	visits 4000
	visits 4000
	printf '\n# Three of one service\n'
	run coracle compose up -d --wait --scale web=3
	for port in 4000 4001 4002; do visits $port; done
	printf '\n# Redis is killed, and comes back\n'
	run kill -9 "$(coracle inspect -f '{{.State.Pid}}' visits-redis-1)"
	for _ in $(seq 600); do
		! curl -sf -o /dev/null http://localhost:4000/health || break
		sleep 0.1
	done
	visits 4000
	run coracle compose ps redis
	printf '\n# Down, and up again: the volume has the visits\n'
	run coracle compose down
	run coracle compose up -d --wait
	visits 4000
	printf '\n# Down without the volume: nothing is left\n'
	run coracle compose down -v
	run coracle compose up -d --wait
	counted=0
	visits 4000
	run coracle compose down -v
	cd "$state/examples/friendlyhello"
else
	echo "skipped: there is no Redis on this machine"
fi

printf '\n# Share the image\n'
if command -v docker-registry >/dev/null; then
	port=5055
	# demo / harbour
	echo 'demo:$2y$05$cRg.KrsZNF7OWFMBbWlUq.R4t7Jq28kDYT2qOJJDWHw6sm1Sqj4Lm' >"$state/htpasswd"
	cat >"$state/registry.yml" <<-CONFIG
		version: 0.1
		log: {level: error, accesslog: {disabled: true}}
		storage: {filesystem: {rootdirectory: $state/registry}}
		http: {addr: "127.0.0.1:$port"}
		auth: {htpasswd: {realm: demo, path: $state/htpasswd}}
	CONFIG
	docker-registry serve "$state/registry.yml" >"$state/registry.log" 2>&1 &
	registry=$!
	wait_for http://localhost:$port/
	printf '\n$ echo harbour | coracle login -u demo --password-stdin localhost:%s\n' "$port"
	echo harbour | coracle login -u demo --password-stdin localhost:$port || failed=1
	run coracle tag friendlyhello localhost:$port/demo/get-started:part2
	run coracle image ls
	run coracle push localhost:$port/demo/get-started:part2
	printf '\n# Clean up, and run it from the registry\n'
	run coracle container rm $(coracle container ls -a -q)
	run coracle image rm -f $(coracle image ls -a -q)
	run coracle run -d -p 4000:5000 localhost:$port/demo/get-started:part2
	wait_for http://localhost:4000/
	run curl -s http://localhost:4000/name
	run coracle container kill $(coracle container ls -q)
	run coracle logout localhost:$port
else
	echo "skipped: there is no docker-registry on this machine"
fi
[ $failed = 0 ] || die "a command failed, see above"
printf '\nThe tutorial went through.\n'
