"""Identity from elsewhere: an OpenID Connect provider logs users in, and capsvc takes its ID tokens."""
