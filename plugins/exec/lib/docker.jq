# What Docker says of a container, for jq.

# The addresses on the network of this name, or on the only one; option is how people name it.
def address($name; $option):
	(if $name != "" then $name
	 elif length == 1 then keys[0]
	 else error("it has \(length) networks: name one in Network or \($option)") end) as $which
	| if has($which) then .[$which] else error("it is not on the network \($which)") end
	| [.IPAddress, .GlobalIPv6Address] | map(select(. != null and . != ""))
	| if . == [] then error("it has no address on the network \($which)") else . end;
