"""The sources of the HTML mails, in MJML. What is committed beside them, in ``templates/backorders/mail``, is compiled from them."""
