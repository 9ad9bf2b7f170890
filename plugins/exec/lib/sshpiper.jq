# The labels of sshpiper's docker plugin, for jq.  The input of each is an inspected container.

def piper_labels:
	(.Config.Labels // {} | with_entries(select(.key | startswith("sshpiper.")) | .key |= .[9:])) as $labels
	| ($labels | keys - ["username", "container_username", "port", "network", "authorized_keys",
		"trusted_user_ca_keys", "private_key", "docker_sshd_cmd", "docker_exec_cmd", "docker_sshd"]) as $others
	| if $others != [] then error("there is no label sshpiper.\($others[0] | tojson)") else . end
	| if [$labels.docker_exec_cmd, $labels.docker_sshd | select(. != null) | ascii_downcase] | index("true") then
		error("sshpiper.docker_exec_cmd: a container without an sshd cannot be reached here")
	  else . end
	| $labels;

# The lines of authorized_keys and trusted_user_ca_keys, as AuthorizedKey has them.
def piper_keys:
	def lines: if . == null then "" else @base64d end | split("\n") | map(sub("\r$"; "") | select(test("^\\s*(#|$)") | not));
	(.Config.Labels // {}) as $labels
	| ($labels["sshpiper.authorized_keys"] | lines)
	  + ($labels["sshpiper.trusted_user_ca_keys"] | lines | map("cert-authority " + .));

# The login that the container is for; "": any.
def piper_name: (.Config.Labels // {})["sshpiper.username"] // "";

# Has the container a list of keys?
def piper_lists: (.Config.Labels // {}) | has("sshpiper.authorized_keys") or has("sshpiper.trusted_user_ca_keys");

# Is the key, "TYPE BASE64", in it?  A list that cannot be read has none.
def piper_has($key):
	($key | split(" ") | .[:2] | join(" ")) as $key
	| $key != "" and (try piper_keys catch [] | any(.[]; " " + . + " " | contains(" " + $key + " ")));
