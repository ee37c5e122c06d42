"""Stand-ins for what lies outside the system; each speaks the real thing's protocol over a socket."""
