"""CO2e of a parcel, planned and actual, and what the figure was made from."""

from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('fulfillment', '0004_accept_by'),
    ]

    operations = [
        migrations.AddField(
            model_name='parcel',
            name='service',
            field=models.CharField(blank=True, db_default='', default='', help_text='code of the delivery service it goes by', max_length=40),
        ),
        migrations.AddField(
            model_name='parcel',
            name='km',
            field=models.FloatField(blank=True, help_text='great circle to where it goes', null=True),
        ),
        migrations.AddField(
            model_name='parcel',
            name='kg_co2_planned',
            field=models.FloatField(blank=True, null=True, verbose_name='kg CO₂e planned'),
        ),
        migrations.AddField(
            model_name='parcel',
            name='kg_co2',
            field=models.FloatField(blank=True, null=True, verbose_name='kg CO₂e'),
        ),
        migrations.AddField(
            model_name='parcel',
            name='co2_basis',
            field=models.JSONField(blank=True, db_default=models.Value({}, models.JSONField()), default=dict, help_text='what the figure was made from: routing.emissions'),
        ),
    ]
