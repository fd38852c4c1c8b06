# Owns one nginx: ends it and removes its files when standard input closes, which the system does for us however the
# test process ends.
# usage: sh -c "$this" nginx.sh, with SITE set; then one line with two ports to listen on, for https and for http.
# In SITE, @HTTPS@, @HTTP@ and @DIR@ stand for those ports and for the folder of certificate and logs.
set -eu
umask 077
dir=$(mktemp -d "${TMPDIR:-/tmp}/llm-api-nginx.XXXXXX")
pid=
finish() {
  trap - EXIT
  if [ -n "$pid" ]; then
    kill "$pid" 2>/dev/null || :
    wait "$pid" 2>/dev/null || :
  fi
  rm -rf "$dir"
}
trap finish EXIT
trap 'exit 1' HUP INT TERM
trap '' PIPE
PATH=$PATH:/usr/sbin

openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=localhost \
  -addext subjectAltName=DNS:localhost -keyout "$dir/privkey.pem" -out "$dir/fullchain.pem" 2>"$dir/openssl" ||
  { cat "$dir/openssl" >&2; exit 1; }
# One process, of the user who runs the tests: then it needs neither root nor folders of the system.
cat >"$dir/nginx.conf" <<CONF
daemon off;
master_process off;
pid $dir/pid;
error_log $dir/error.log;
events {}
http {
    client_body_temp_path $dir/body;
    proxy_temp_path $dir/proxy;
    fastcgi_temp_path $dir/fastcgi;
    uwsgi_temp_path $dir/uwsgi;
    scgi_temp_path $dir/scgi;
    include $dir/site.conf;
}
CONF
echo "$dir"

# A port that was free a moment ago may be taken by now: then the next line brings others.
while read -r https http; do
  printf '%s\n' "$SITE" | sed "s|@DIR@|$dir|g; s|@HTTPS@|$https|g; s|@HTTP@|$http|g" >"$dir/site.conf"
  rm -f "$dir/pid"
  # What nginx thinks of the file, warnings included.
  nginx -t -q -p "$dir" -e "$dir/check" -c "$dir/nginx.conf" 2>"$dir/check.out" || cat "$dir/check.out" >&2
  nginx -p "$dir" -e "$dir/error.log" -c "$dir/nginx.conf" 2>"$dir/out" </dev/null &
  pid=$!
  # Written when the ports are open.
  until [ -s "$dir/pid" ]; do
    if ! kill -0 "$pid" 2>/dev/null; then
      cat "$dir/out" >&2
      pid=
      break
    fi
    sleep 0.02
  done
  if [ -n "$pid" ]; then echo started; else echo failed; fi
done
