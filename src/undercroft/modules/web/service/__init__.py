"""What the pages share: the form class, sign-in, and the pages of the site."""
