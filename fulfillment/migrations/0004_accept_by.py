"""Until when a stock point has time to take work."""

from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('fulfillment', '0003_destinations'),
    ]

    operations = [
        migrations.AddField(
            model_name='fulfillmentorder',
            name='accept_by',
            field=models.DateTimeField(blank=True, help_text='not accepted until then, it goes elsewhere', null=True),
        ),
        migrations.AddField(
            model_name='fulfillmentorder',
            name='offered_to',
            field=models.PositiveSmallIntegerField(db_default=1, default=1, help_text='stock points it is open to; the first to take it has it'),
        ),
        migrations.AddIndex(
            model_name='fulfillmentorder',
            index=models.Index(condition=models.Q(('accept_by__isnull', False), ('state', 'new')), fields=['accept_by'], name='fulfillment_accept_by'),
        ),
    ]
